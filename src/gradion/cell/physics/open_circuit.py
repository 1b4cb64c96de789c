"""Open-circuit potential of an electrode material."""

from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.module import Module, Parameter

__all__ = ["OpenCircuit"]

_SLOPE_OUTSIDE = -20.0  # [V]


@final
class OpenCircuit(Module):
    """U(x, T) = U_ref(x) + (T - T_ref) dU/dT(x), x the stoichiometry [1], U in [V vs Li].

    Outside x in [0, 1], where no material is, U goes on with a slope of -20 V per unit of
    stoichiometry: a simulation that runs past an empty electrode, as a fit's may, then meets a
    steep but finite potential.
    """

    def __init__(self, potential: Module, *, entropic_change: Module, T_ref: Parameter) -> None:
        super().__init__()
        self.potential = potential
        self.entropic_change = entropic_change
        self.T_ref = T_ref

    def forward(self, x: Float[Array, ""], T: Float[Array, ""]) -> Float[Array, ""]:
        """Potential [V] at one stoichiometry and a temperature [K]."""
        inside = jnp.clip(x, 0.0, 1.0)
        beyond = _SLOPE_OUTSIDE * (x - inside)
        return self.potential(inside) + beyond + (T - self.T_ref) * self.entropy(x)

    def entropy(self, x: Float[Array, ""]) -> Float[Array, ""]:
        """dU/dT [V/K] at one stoichiometry, constant outside [0, 1]."""
        return self.entropic_change(jnp.clip(x, 0.0, 1.0))
