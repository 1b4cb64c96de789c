"""Constants against their published values."""

import dataclasses

import pytest

from gradion.foundation import constants
from gradion.foundation.constants import CODATA2022, PhysicalConstants


# NIST, "CODATA internationally recommended 2022 values", https://physics.nist.gov/constants
# (the digits printed there).
@pytest.mark.parametrize(
    ("name", "printed", "relative"),
    [
        ("R", 8.314462618, 1e-10),
        ("F", 96485.33212, 1e-10),
        ("k_B", 1.380649e-23, 0.0),
        ("N_A", 6.02214076e23, 0.0),
        ("e", 1.602176634e-19, 0.0),
        ("epsilon_0", 8.8541878188e-12, 0.0),
    ],
)
def test_printed_digits(name, printed, relative):
    assert getattr(CODATA2022, name) == pytest.approx(printed, rel=relative, abs=0.0)


def test_module_names_are_the_same_numbers():
    assert constants.R == CODATA2022.R
    assert constants.F == CODATA2022.F


def test_another_programs_constants_can_stand_in():
    other = dataclasses.replace(CODATA2022, F=96485.0)
    assert isinstance(other, PhysicalConstants)
    assert other.F == 96485.0
    assert hash(other) != hash(CODATA2022)


def test_frozen_and_positive():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CODATA2022.R = 8.0
    with pytest.raises(ValueError, match="R: got -1.0, expected a positive number"):
        dataclasses.replace(CODATA2022, R=-1.0)
