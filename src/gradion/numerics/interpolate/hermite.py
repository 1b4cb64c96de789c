"""A table as piecewise cubics, given values and slopes at its nodes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

__all__ = ["checked_table", "evaluate_pieces", "pieces_of"]

_SMALL_TABLE = 512


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


def pieces_of(nodes: jax.Array, values: jax.Array, slopes: jax.Array) -> jax.Array:
    """Return the cubic pieces of a table with given node slopes (nodes + 1, 5).

    A row holds the piece's left node x_0 and the coefficients of
    ``c_0 + t (c_1 + t (c_2 + t c_3))``, t = x - x_0. The first and the last row are the straight
    lines that go on outside the table.
    """
    h = nodes[1:] - nodes[:-1]
    secant = (values[1:] - values[:-1]) / h
    c_2 = (3.0 * secant - 2.0 * slopes[:-1] - slopes[1:]) / h
    c_3 = (slopes[:-1] + slopes[1:] - 2.0 * secant) / h**2
    inner = jnp.stack([nodes[:-1], values[:-1], slopes[:-1], c_2, c_3], axis=-1)
    zero = jnp.zeros_like(h[0])
    first = jnp.stack([nodes[0], values[0], slopes[0], zero, zero])
    last = jnp.stack([nodes[-1], values[-1], slopes[-1], zero, zero])
    return jnp.concatenate([first[None], inner, last[None]])


def evaluate_pieces(nodes: jax.Array, pieces: jax.Array, x: jax.Array) -> jax.Array:
    """Return the piecewise cubic at x, in the shape of x."""
    # Comparing with every node of a table is one fused loop; a bisection is a while loop, which
    # costs more to compile and, for tables of this size, to run.
    method = "compare_all" if nodes.shape[0] <= _SMALL_TABLE else "scan"
    i = jnp.searchsorted(nodes, x, side="right", method=method)
    # One look-up for the whole piece; the index is in bounds by construction.
    piece = pieces.at[i].get(mode="promise_in_bounds")
    t = x - piece[..., 0]
    return piece[..., 1] + t * (piece[..., 2] + t * (piece[..., 3] + t * piece[..., 4]))
