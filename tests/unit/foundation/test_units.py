"""Units: canonical text, factors, dimensions, errors in one line."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradion.foundation.errors import InputError
from gradion.foundation.units import check_unit, conversion_factor, dimensionality


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1", "1"),
        (" 1 ", "1"),
        ("m^2/s", "m^2/s"),
        ("m**2/s", "m^2/s"),
        ("metre**2 / second", "m^2/s"),
        ("s^-1*m^2", "m^2/s"),
        ("J/(mol*K)", "J/K/mol"),
        ("m^2.5*mol^-0.5/s", "m^2.5/mol^0.5/s"),
        ("m^(5/2)", "m^2.5"),
        ("um", "um"),
        ("ohm", "ohm"),
        ("angstrom", "angstrom"),
        ("degC", "degC"),
        ("delta_degC", "delta_degC"),
        ("m/m", "1"),
        ("mA*h/g", "h*mA/g"),
    ],
)
def test_canonical_text(text, canonical):
    assert check_unit(text) == canonical
    assert check_unit(canonical) == canonical


_NAMES = st.sampled_from(["kg", "m", "um", "s", "h", "A", "mV", "K", "mol", "ohm", "Wh", "eV"])


@given(st.lists(st.tuples(_NAMES, st.sampled_from([-2, -1, 0.5, 1, 3])), min_size=1, max_size=4))
def test_canonical_text_is_ascii_stable_and_keeps_the_unit(factors):
    text = "*".join(f"{name}^{power}" for name, power in factors)
    canonical = check_unit(text)
    assert canonical.isascii()
    assert check_unit(canonical) == canonical
    assert dimensionality(canonical) == pytest.approx(dimensionality(text))
    assert conversion_factor(text, canonical) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write '1' for dimensionless"),
        ("  ", "write '1' for dimensionless"),
        ("C-rate", "cannot be read"),
        ("mol.m-3", "write '\\*' for a product"),
        ("2 m", "put the number in the value"),
        ("1e-3 mol", "put the number in the value"),
        ("metrre", "did you mean 'metre'"),
        ("m^9^9^9", "cannot be read"),
        ("m**9**9**9", "cannot be read"),
        ("m^(9^9)", "cannot be read"),
        ("m; import os", "cannot be read"),
        ("m" * 101, "at most 100"),
        ("m^", "cannot be read"),
        ("(m", "cannot be read"),
        ("\u00b5m", "cannot be read"),
    ],
)
def test_bad_unit_is_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        check_unit(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 1, b"m"])
def test_unit_that_is_no_string(value):
    with pytest.raises(TypeError, match="unit: got"):
        check_unit(value)


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("um", "m", 1e-6),
        ("mA*h", "C", 3.6),
        ("%", "1", 0.01),
        ("delta_degC", "K", 1.0),
        ("cm^2/s", "m^2/s", 1e-4),
        ("kWh", "J", 3.6e6),
        # Equal to the last bit where nothing is converted.
        ("m^2/s", "m^2/s", 1.0),
    ],
)
def test_conversion_factor(source, target, factor):
    assert conversion_factor(source, target) == pytest.approx(factor, rel=1e-14)


def test_conversion_of_different_dimensions():
    with pytest.raises(InputError, match=r"'m' has dimension \[length\]; expected \[time\]"):
        conversion_factor("m", "s")


def test_conversion_with_offset_has_no_factor():
    with pytest.raises(InputError, match="give temperatures in K"):
        conversion_factor("degC", "K")


def test_dimensionality():
    assert dimensionality("1") == (0.0,) * 7
    assert dimensionality("V") == (1.0, 2.0, -3.0, -1.0, 0.0, 0.0, 0.0)
    assert dimensionality("cd*mol^0.5/K") == (0.0, 0.0, 0.0, 0.0, -1.0, 0.5, 1.0)


def test_import_does_not_import_pint():
    code = "import sys, gradion.foundation.units; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
