"""Physical constants.

Source: CODATA recommended values of the fundamental physical constants, 2022 (Mohr, Newell,
Taylor and Tiesinga, NIST, 2024). Since the SI of 2019, e, k_B and N_A are exact by definition.
"""

from __future__ import annotations

import dataclasses

__all__ = ["CODATA2022", "PhysicalConstants", "R", "F"]


@dataclasses.dataclass(frozen=True)
class PhysicalConstants:
    """The constants that the physics of a cell needs, as one object that is passed along.

    The default is `CODATA2022`. A comparison with another program passes that program's own
    constants instead: they often differ in the fifth digit, which is more than the tolerance of
    such a comparison.
    """

    R: float
    """Molar gas constant [J/(mol*K)]."""
    F: float
    """Faraday constant [C/mol]."""
    k_B: float
    """Boltzmann constant [J/K]."""
    N_A: float
    """Avogadro constant [1/mol]."""
    e: float
    """Elementary charge [C]."""
    epsilon_0: float
    """Vacuum electric permittivity [F/m]."""
    T_standard: float
    """Reference temperature of thermochemical tables [K]; a convention, not a measurement."""

    def __post_init__(self) -> None:
        """Refuse constants that are not positive numbers."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0.0:
                raise ValueError(f"{field.name}: got {value!r}, expected a positive number")


_K_B = 1.380649e-23
_N_A = 6.02214076e23
_E = 1.602176634e-19

CODATA2022 = PhysicalConstants(
    # R and F are products of exact numbers, computed here so that they hold to the last bit.
    R=_N_A * _K_B,
    F=_N_A * _E,
    k_B=_K_B,
    N_A=_N_A,
    e=_E,
    epsilon_0=8.8541878188e-12,
    T_standard=298.15,
)
"""CODATA 2022, with 25 degC as the reference temperature."""

R: float = CODATA2022.R
"""Molar gas constant [J/(mol*K)]."""
F: float = CODATA2022.F
"""Faraday constant [C/mol]."""
