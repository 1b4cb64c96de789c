"""Parameter files: the packaged sets, conversion to SI, and one line for every kind of error."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from gradion.cell.parameters import (
    FunctionQuantity,
    Interpolation,
    Quantity,
    Table,
    available_parameter_sets,
    load_parameters,
    parameters_from_mapping,
    parameters_to_mapping,
    save_parameters,
)
from gradion.foundation.errors import InputError
from gradion.foundation.formula import Formula

SETS = available_parameter_sets()
DELETE = object()


@pytest.fixture
def data():
    """The JSON object of a packaged set, to be broken."""
    return copy.deepcopy(parameters_to_mapping(load_parameters("chen2020")))


def edit(data, path, value):
    *sections, key = path.split(".")
    for section in sections:
        data = data[section]
    if value is DELETE:
        del data[key]
    else:
        data[key] = value


def test_packaged_sets():
    assert SETS == ("ai2020", "chen2020", "marquis2019")


@pytest.mark.parametrize("name", SETS)
def test_packaged_set_is_sound(name):
    parameters = load_parameters(name)
    assert parameters.name == name
    assert load_parameters(name.upper()) is parameters
    known = {reference.key for reference in parameters.references}
    for path, quantity in parameters.quantities().items():
        assert quantity.source.isascii(), path
        named = any(key in quantity.source for key in known)
        assert named or "formula of" in quantity.source or "data sheet" in quantity.source, path
        if isinstance(quantity, FunctionQuantity):
            arguments = {"x": 0.6, "c_e": 1000.0, "T": 298.15}
            value = quantity.as_callable()(*(arguments[name] for name in quantity.variables))
            assert value.shape == ()
            assert np.isfinite(value), path
    assert parameters.negative_collector is not None
    assert 1e6 < parameters.volumetric_heat_capacity() < 4e6


def test_figures_of_chen2020():
    p = load_parameters("chen2020")
    assert p.cell.electrode_area == Quantity(
        0.1027,
        "m^2",
        "Chen2020: 0.065 m high, 1.58 m wide, both sides of the unwound electrode",
        (1e-8, 1e3),
    )
    np.testing.assert_allclose(p.negative.thickness.value, 85.2e-6, rtol=1e-15)
    # At x = 0.9 the exponential has died away and each tanh is 1 to seven digits.
    plateau = 0.2482 - 0.0909 - 0.04478 - 0.0205
    np.testing.assert_allclose(p.negative.ocp.as_callable()(0.9), plateau, rtol=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_round_trip(name, tmp_path):
    parameters = load_parameters(name)
    path = tmp_path / "set.json"
    save_parameters(parameters, path)
    again = load_parameters(path)
    assert again == parameters
    assert load_parameters(str(path)) == parameters
    assert hash(again.negative.ocp) == hash(parameters.negative.ocp)
    assert [child.name for child in tmp_path.iterdir()] == ["set.json"]


def test_units_are_converted(data):
    edit(data, "negative.thickness", {"value": 85.2, "unit": "um", "source": "s"})
    edit(
        data,
        "cell.nominal_capacity",
        {"value": 5000.0, "unit": "mA*h", "source": "s", "bounds": [1.0, 1e4]},
    )
    edit(data, "electrolyte.D_e", {"formula": "2 * c_e + T", "unit": "cm^2/s", "source": "s"})
    table = {"x": [0.0, 0.5, 1.0], "y": [4200.0, 3900.0, 3000.0]}
    edit(data, "positive.ocp", {"table": table, "unit": "mV", "source": "s"})
    p = parameters_from_mapping(data, where="test")
    np.testing.assert_allclose(p.negative.thickness.value, 85.2e-6, rtol=1e-14)
    np.testing.assert_allclose(p.cell.nominal_capacity.value, 5.0, rtol=1e-14)
    np.testing.assert_allclose(p.cell.nominal_capacity.bounds, (1e-3, 10.0), rtol=1e-14)
    np.testing.assert_allclose(p.electrolyte.D_e.as_callable()(1.0, 300.0), 302e-4, rtol=1e-14)
    np.testing.assert_allclose(p.positive.ocp.as_callable()(0.5), 3.9, rtol=1e-14)
    assert p.positive.ocp.function.interpolation is Interpolation.MONOTONE


def test_table_of_a_function_of_two_variables(data):
    table = {"x": [0.0, 1000.0, 2000.0], "y": [0.1, 1.0, 0.8]}
    edit(data, "electrolyte.kappa", {"table": table, "unit": "S/m", "source": "s"})
    kappa = parameters_from_mapping(data, where="test").electrolyte.kappa.as_callable()
    np.testing.assert_allclose(kappa(np.array([1000.0, 2000.0]), 300.0), [1.0, 0.8], rtol=1e-14)


def test_thermal_quantities_may_be_absent(data):
    for path in ("cell.volume", "separator.density", "negative_collector"):
        edit(data, path, DELETE)
    p = parameters_from_mapping(data, where="test")
    assert p.cell.volume is None
    assert "cell.volume" not in p.quantities()
    with pytest.raises(InputError, match=r"chen2020: separator\.density is absent"):
        p.volumetric_heat_capacity()


def test_with_quantities():
    p = load_parameters("chen2020")
    table = FunctionQuantity(Table((0.0, 1.0), (1e-14, 2e-14)), "m^2/s", "fit", ("x",))
    changed = p.with_quantities({"negative.D_s": table, "cell.volume": 1e-5}, source="mine")
    assert changed.negative.D_s is table
    assert changed.cell.volume == Quantity(1e-5, "m^3", "mine", (1e-12, 1.0))
    assert changed.positive is p.positive
    assert p.negative.D_s.value == 3.3e-14
    assert changed.with_quantities({}, source="s") == changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("negative.D", 1.0, r"unknown quantity 'negative.D'; did you mean 'negative.D_s'"),
        ("negative.porosity", 1.5, r"negative.porosity: got 1.5, expected 0 to 1"),
        ("negative.c_init", 4e4, r"chen2020: negative: c_init: got 40000 mol/m\^3; expected at"),
        ("negative.D_s", Quantity(1.0, "cm^2/s", "s"), "got the unit 'cm"),
        (
            "negative.ocp",
            FunctionQuantity(Formula("T", ("T",)), "V", "s", ("T",)),
            r"negative\.ocp: got a function of \('T',\)",
        ),
        (
            "negative.k",
            FunctionQuantity(Formula("x"), "m^2.5/(mol^0.5*s)", "s", ("x",)),
            "expected a number",
        ),
    ],
)
def test_with_quantities_refuses(path, value, message):
    with pytest.raises(InputError, match=message):
        load_parameters("chen2020").with_quantities({path: value}, source="mine")


VALUE = {"value": 1e-5, "unit": "m", "source": "s"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("negative.thickness", DELETE, "set.json: negative.thickness: is missing"),
        ("negative", DELETE, "set.json: negative: is missing"),
        ("negative.thicknes", VALUE, "unknown key 'thicknes'; did you mean 'thickness'"),
        ("negativ", {}, "set.json: negativ: unknown key 'negativ'; did you mean 'negative'"),
        ("negative.thickness", 1e-5, "negative.thickness: got 1e-05; expected an object"),
        ("negative.thickness", None, "got None; expected an object"),
        ("negative.thickness", {"unit": "m", "source": "s"}, "got none of value, formula"),
        ("negative.thickness", {**VALUE, "formula": "x"}, "got value and formula of"),
        ("negative.thickness", {**VALUE, "sourc": "x"}, "unknown key 'sourc'; did you mean"),
        ("negative.thickness", {**VALUE, "interpolation": "x"}, "unknown key 'interpolation'"),
        ("negative.thickness", {"value": 1.0, "unit": "m"}, "source: got nothing"),
        ("negative.thickness", {**VALUE, "source": " "}, "source: got ' '"),
        ("negative.thickness", {**VALUE, "unit": "s"}, r"dimension .*time.*; expected .*length"),
        ("negative.thickness", {**VALUE, "unit": "meterz"}, "unknown name 'meterz'"),
        ("negative.thickness", {**VALUE, "value": "1"}, "value: got '1'; expected a number"),
        ("negative.thickness", {**VALUE, "value": True}, "value: got True"),
        ("negative.thickness", {**VALUE, "value": 10**400}, "value: got inf"),
        ("negative.thickness", {**VALUE, "value": 85.2}, "got 85.2 m, expected 1e-07 to 0.01 m"),
        ("negative.thickness", {**VALUE, "bounds": [1.0]}, r"bounds: got \[1.0\]"),
        ("negative.thickness", {**VALUE, "bounds": [1.0, 0.0]}, "expected the lower one first"),
        ("negative.thickness", {**VALUE, "bounds": [1e-4, 1.0]}, "expected 0.0001 to 1 m"),
        ("negative.k", {"formula": "x", "unit": "m^2.5/mol^0.5/s", "source": "s"}, "a number here"),
        (
            "negative.ocp",
            {"formula": "exq(x)", "unit": "V", "source": "s"},
            "negative.ocp: formula, position 1: unknown function 'exq'",
        ),
        (
            "negative.ocp",
            {"formula": "c_e", "unit": "V", "source": "s"},
            "unknown name 'c_e'",
        ),
        (
            "negative.ocp",
            {"table": {"x": [0, 1], "z": [0, 1]}, "unit": "V", "source": "s"},
            "table: got other than x and y",
        ),
        (
            "negative.ocp",
            {"table": {"x": [0, 0], "y": [0, 1]}, "unit": "V", "source": "s"},
            r"table: x\[1\]: got 0.0 after 0.0",
        ),
        (
            "negative.ocp",
            {"table": {"x": [0, "1"], "y": [0, 1]}, "unit": "V", "source": "s"},
            r"table: x\[1\]: got '1'",
        ),
        (
            "negative.ocp",
            {"table": {"x": "01", "y": [0, 1]}, "unit": "V", "source": "s"},
            "table: x: got '01'; expected a list",
        ),
        (
            "negative.ocp",
            {
                "table": {"x": [0, 1], "y": [0, 1]},
                "unit": "V",
                "source": "s",
                "interpolation": "cubik",
            },
            "unknown interpolation 'cubik'; did you mean 'cubic'",
        ),
        (
            "negative.porosity",
            {"value": 0.5, "unit": "1", "source": "s"},
            r"negative: porosity \+ active_fraction: got 0.5 \+ 0.75",
        ),
        ("cell.lower_voltage_cutoff", {"value": 5, "unit": "V", "source": "s"}, "lower one first"),
        (
            "cell.electrodes_in_parallel",
            {"value": 1.5, "unit": "1", "source": "s"},
            "expected a whole number",
        ),
        ("name", 3, "set.json: name: "),
        ("references", [{"key": "a"}], "references.0.citation: is missing"),
        ("references", [{"key": "a", "citatio": "b"}], "first of 2 errors"),
    ],
)
def test_bad_entry(data, tmp_path, path, value, message):
    edit(data, path, value)
    file = tmp_path / "set.json"
    file.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as caught:
        load_parameters(file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("set.json: ")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON: Expecting value at line 1, column 1"),
        (b'{"name": }', "at line 1, column 10"),
        (b"\xff\xfe", "no JSON: UnicodeDecodeError"),
        (b"[1]", "got a list; expected an object"),
        (b"3", "got a int; expected an object"),
        (b'{"name": "a", "name": "b"}', "the key 'name' stands twice"),
        (b'{"name": NaN}', "NaN is no JSON number"),
        (b'{"name": -Infinity}', "-Infinity is no JSON number"),
        (b"[" * 100_000, "no JSON"),
        (b'{"name": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
def test_bad_file(tmp_path, content, message):
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_parameters(file)
    assert str(caught.value).startswith("bad.json: ")


def test_unknown_set_or_file(tmp_path):
    with pytest.raises(InputError, match="unknown parameter set 'chen20'; did you mean 'chen2020'"):
        load_parameters("chen20")
    with pytest.raises(InputError, match="nothing.json: cannot be read"):
        load_parameters(tmp_path / "nothing.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_parameters(Path(tmp_path))


def test_quantity_refuses():
    with pytest.raises(ValueError, match="finite"):
        Quantity(float("nan"), "m", "s")
    with pytest.raises(ValueError, match="lower one first"):
        Quantity(1.0, "m", "s", (2.0, 1.0))
    with pytest.raises(ValueError, match="expected 2 to 3 m"):
        Quantity(1.0, "m", "s", (2.0, 3.0))
    with pytest.raises(ValueError, match="expected those of the formula"):
        FunctionQuantity(Formula("x"), "V", "s", ("c_e",))
    with pytest.raises(ValueError, match="increasing"):
        Table((0.0, 0.0), (1.0, 1.0))
