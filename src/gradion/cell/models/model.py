"""What every cell model offers to a simulation."""

import abc
from typing import NamedTuple

from jaxtyping import Array, Float

from gradion.cell.models.cell import Cell
from gradion.module import Module
from gradion.numerics.linear import AbstractStructure

__all__ = ["AbstractCellModel", "Overpotentials"]


class Overpotentials(NamedTuple):
    """The terminal voltage as a sum: open circuit plus all the rest, [V] each.

    On discharge all but `open_circuit` are negative.
    """

    open_circuit: Float[Array, ""]  # U_p - U_n at the particles' surfaces
    reaction: Float[Array, ""]
    concentration: Float[Array, ""]
    electrolyte_ohmic: Float[Array, ""]
    solid_ohmic: Float[Array, ""]
    contact: Float[Array, ""]

    def voltage(self) -> Float[Array, ""]:
        """The sum."""
        return sum(self[1:], self[0])


class AbstractCellModel(Module, abc.ABC):
    """A cell as a system of ordinary differential equations for a given current.

    The unknowns u [n] are scaled to order one: stoichiometries, c_e / c_e0, T / T_ref. `current`
    [A] is positive on discharge.
    """

    cell: Cell

    @property
    @abc.abstractmethod
    def structure(self) -> AbstractStructure:
        """Where the nonzeros of the Jacobian of `rate` are."""

    @abc.abstractmethod
    def initial_state(self) -> Float[Array, " n"]:
        """Unknowns of the cell at rest [n]."""

    @abc.abstractmethod
    def rate(self, u: Float[Array, " n"], current: Float[Array, ""]) -> Float[Array, " n"]:
        """du/dt [1/s]."""

    @abc.abstractmethod
    def overpotentials(self, u: Float[Array, " n"], current: Float[Array, ""]) -> Overpotentials:
        """The parts of the terminal voltage [V]."""

    @abc.abstractmethod
    def temperature(self, u: Float[Array, " n"]) -> Float[Array, ""]:
        """Temperature of the cell [K]."""

    @abc.abstractmethod
    def stoichiometries(
        self, u: Float[Array, " n"]
    ) -> tuple[Float[Array, " n_r"], Float[Array, " n_r"]]:
        """Shell averages in the negative and the positive particle [n_r each]."""

    @abc.abstractmethod
    def salt_concentration(self, u: Float[Array, " n"]) -> Float[Array, " n_x"]:
        """c_e [mol/m^3] in the control volumes of the electrolyte [n_x], or in one."""
