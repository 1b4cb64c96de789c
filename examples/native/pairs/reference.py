"""The pair energy in plain JAX, in double precision, over the same list of tiles."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erfc

__all__ = ["energy", "energy_and_forces"]


def energy(
    positions: Array,
    charge: Array,
    sigma: Array,
    epsilon: Array,
    box: Array,
    order: Array,
    tiles: Array,
    *,
    alpha: float,
    coulomb: float,
    cutoff: float,
) -> Array:
    """The energy [kJ/mol]; the arguments are those of `pairs.pairs`."""
    rows, columns, mask = tiles.T
    listed = (mask[:, None, None] >> jnp.arange(16).reshape(4, 4)) & 1 == 1
    # Where a place holds no atom the list has no pair, and any atom does.
    i = jnp.maximum(order[rows], 0)[:, :, None]
    j = jnp.maximum(order[columns], 0)[:, None, :]
    x_ij = positions[i] - positions[j]
    x_ij -= box * jnp.round(x_ij / box)
    r2 = jnp.sum(x_ij**2, axis=-1)
    inside = listed & (r2 < cutoff**2)
    # Keeps the gradient of pairs that do not count, such as an atom and itself, from being NaN.
    r = jnp.sqrt(jnp.where(inside, r2, 1.0))

    # sqrt has no derivative at 0: an atom with epsilon = 0 has no Lennard-Jones site.
    is_site = epsilon > 0
    root_epsilon = jnp.where(is_site, jnp.sqrt(jnp.where(is_site, epsilon, 1.0)), 0.0)
    sigma_ij = 0.5 * (sigma[i] + sigma[j])
    s6 = (sigma_ij / r) ** 6
    lennard_jones = 4 * root_epsilon[i] * root_epsilon[j] * (s6**2 - s6)
    screened = coulomb * charge[i] * charge[j] * erfc(alpha * r) / r
    return jnp.sum(jnp.where(inside, lennard_jones + screened, 0.0))


def energy_and_forces(positions: Array, *rest: Array, **attributes: float) -> tuple[Array, Array]:
    """The energy [kJ/mol] and the forces [kJ/(mol nm)], shape [n, 3]."""
    value, slope = jax.value_and_grad(energy)(positions, *rest, **attributes)
    return value, -slope
