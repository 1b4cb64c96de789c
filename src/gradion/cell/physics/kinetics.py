"""Charge transfer at the surface of a particle."""

import abc
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.cell.physics.property import arrhenius
from gradion.foundation.constants import F, R
from gradion.module import Module, Parameter

__all__ = ["AbstractKinetics", "SymmetricButlerVolmer"]

# Stoichiometries and concentrations below this fraction of their range count as this: the
# exchange current of an empty or full surface is small, not zero or imaginary.
_EMPTY = 1e-6


class AbstractKinetics(Module, abc.ABC):
    """A relation between interfacial current density and surface overpotential."""

    @abc.abstractmethod
    def overpotential(self, j: Array, x_surf: Array, c_max: Array, c_e: Array, T: Array) -> Array:
        """eta [V] at which the interface carries j [A/m^2], positive for oxidation.

        `x_surf` [1] is the surface stoichiometry, `c_max` [mol/m^3] the host's capacity, `c_e`
        [mol/m^3] the salt concentration, `T` [K]. Arguments broadcast.
        """


@final
class SymmetricButlerVolmer(AbstractKinetics):
    """j = 2 j0 sinh(F eta / 2 R T), j0 = F k sqrt(c_e c_s (c_max - c_s)); alpha = 1/2 each way.

    `k` is in m^2.5 mol^-0.5 s^-1, so that F k is the prefactor in A/m^2 (m^3/mol)^1.5 that
    parameter tables often print.
    """

    def __init__(self, k: Parameter, *, activation_energy: Parameter, T_ref: Parameter) -> None:
        super().__init__()
        self.k = k
        self.activation_energy = activation_energy
        self.T_ref = T_ref

    def exchange_current(
        self, x_surf: Array, c_max: Array, c_e: Array, T: Array
    ) -> Float[Array, "..."]:
        """j0 [A/m^2]."""
        # Guards of the square roots' derivative at an empty surface, a full one, and without salt.
        x = jnp.clip(x_surf, _EMPTY, 1.0 - _EMPTY)
        c_e = jnp.maximum(c_e, _EMPTY * 1000.0)
        k = self.k * arrhenius(self.activation_energy, T, self.T_ref)
        return F * k * jnp.sqrt(c_e * x * (1.0 - x)) * c_max

    def overpotential(self, j: Array, x_surf: Array, c_max: Array, c_e: Array, T: Array) -> Array:
        j0 = self.exchange_current(x_surf, c_max, c_e, T)
        return 2.0 * R * T / F * jnp.arcsinh(j / (2.0 * j0))
