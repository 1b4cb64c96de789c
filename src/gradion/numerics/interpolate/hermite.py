"""The cubic between two nodes of a table, given values and slopes at both."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

__all__ = ["checked_table", "hermite_cubic", "interval_of"]


def checked_table(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the two columns of a table as float64 arrays (nodes,).

    Raises ValueError if they are not vectors of one length of at least two, if a number is not
    finite, or if x does not increase from each node to the next.
    """
    nodes, values = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    if nodes.ndim != 1 or values.shape != nodes.shape or nodes.size < 2:
        raise ValueError(
            f"x, y: got shapes {nodes.shape} and {values.shape}, "
            "expected two vectors of one length of at least 2"
        )
    for name, column in (("x", nodes), ("y", values)):
        if not np.all(np.isfinite(column)):
            at = int(np.argmin(np.isfinite(column)))
            raise ValueError(f"{name}[{at}]: got {column[at]}, expected a finite number")
    rises = np.diff(nodes) > 0.0
    if not np.all(rises):
        at = int(np.argmin(rises))
        raise ValueError(
            f"x[{at + 1}]: got {nodes[at + 1]} after {nodes[at]}, expected increasing values"
        )
    return nodes, values


def interval_of(nodes: jax.Array, x: jax.Array) -> jax.Array:
    """Return the index i with ``nodes[i] <= x < nodes[i + 1]``; the end intervals outside."""
    return jnp.clip(jnp.searchsorted(nodes, x, side="right") - 1, 0, nodes.shape[0] - 2)


def hermite_cubic(
    x: jax.Array,
    ends: tuple[jax.Array, jax.Array],
    values: tuple[jax.Array, jax.Array],
    slopes: tuple[jax.Array, jax.Array],
) -> jax.Array:
    """Return the cubic with these values and slopes at the two ends, at x.

    Outside the ends it goes on as a straight line with the slope of the nearer end.
    """
    (x_0, x_1), (y_0, y_1), (d_0, d_1) = ends, values, slopes
    # Not jnp.clip: its derivative at an end is one half, and nodes are ends.
    inside = jnp.where(x < x_0, x_0, jnp.where(x > x_1, x_1, x))
    h = x_1 - x_0
    t = (inside - x_0) / h
    secant = (y_1 - y_0) / h
    # Horner form of the Hermite cubic in t: y_0 + h t (d_0 + t (a + t b)).
    a = 3.0 * secant - 2.0 * d_0 - d_1
    b = d_0 + d_1 - 2.0 * secant
    cubic = y_0 + h * t * (d_0 + t * (a + t * b))
    return cubic + jnp.where(x < x_0, d_0, d_1) * (x - inside)
