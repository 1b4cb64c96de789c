"""A lumped temperature as the last unknown of a model, in units of the ambient one."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.cell.physics import AbstractThermal

__all__ = ["initial_unknown", "temperature_of", "unknown_rate"]


def initial_unknown(thermal: AbstractThermal) -> Float[Array, " unknowns"]:
    """What a model appends to its unknowns at the start: one, or none where T is fixed."""
    if not thermal.is_dynamic:
        return jnp.zeros(0)
    return (thermal.initial_temperature() / thermal.T_ambient)[None]


def temperature_of(thermal: AbstractThermal, u: Float[Array, " n"]) -> Float[Array, ""]:
    """Temperature [K] in a state u."""
    return u[-1] * thermal.T_ambient if thermal.is_dynamic else thermal.initial_temperature()


def unknown_rate(
    thermal: AbstractThermal, T: Float[Array, ""], heat: Float[Array, ""]
) -> Float[Array, " one"]:
    """Rate of the appended unknown [1/s] at temperature T [K] with `heat` [W] produced."""
    return (thermal.rate(T, heat) / thermal.T_ambient)[None]
