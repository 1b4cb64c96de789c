"""A binary electrolyte and the separator that it soaks."""

from typing import final

from jaxtyping import Array

from gradion.cell.physics.property import AbstractProperty
from gradion.module import Module, Parameter

__all__ = ["Electrolyte", "Separator"]


@final
class Separator(Module):
    """`thickness` [m], `porosity` [1], `bruggeman` exponent."""

    def __init__(self, *, thickness: Parameter, porosity: Parameter, bruggeman: Parameter) -> None:
        super().__init__()
        self.thickness = thickness
        self.porosity = porosity
        self.bruggeman = bruggeman


@final
class Electrolyte(Module):
    """Concentrated solution theory of a binary salt.

    `c_e0` [mol/m^3] at rest, `D_e` [m^2/s] and `kappa` [S/m] as functions of c_e and T,
    `t_plus` the cation transference number, `thermodynamic_factor` 1 + dln f/dln c as a function
    of c_e and T. Concentration overpotential: 2 R T / F (1 - t_plus) factor ln c_e.
    """

    def __init__(
        self,
        *,
        c_e0: Parameter,
        D_e: AbstractProperty,
        kappa: AbstractProperty,
        t_plus: Parameter,
        thermodynamic_factor: AbstractProperty,
    ) -> None:
        super().__init__()
        self.c_e0 = c_e0
        self.D_e = D_e
        self.kappa = kappa
        self.t_plus = t_plus
        self.thermodynamic_factor = thermodynamic_factor

    def chi(self, c_e: Array, T: Array) -> Array:
        """2 (1 - t_plus) times the thermodynamic factor."""
        return 2.0 * (1.0 - self.t_plus) * self.thermodynamic_factor(c_e, T)
