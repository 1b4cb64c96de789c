"""Cubic spline interpolation of a table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from gradion.module import Module
from gradion.numerics.interpolate.hermite import checked_table, evaluate_pieces, pieces_of

__all__ = ["CubicSpline"]


class CubicSpline(Module):
    """The cubic spline with two continuous derivatives and not-a-knot ends.

    It may overshoot between the nodes where the data bend sharply: `MonotoneSpline` does not, and
    is the one to use unless a parameter set was made with this one. Outside the table it goes on
    as a straight line with the end slope. Three nodes give a parabola, two a line.

    The slopes are computed once, here, and kept as a buffer: derivatives follow x exactly, and the
    table is not fitted.

    Source: de Boor, A Practical Guide to Splines (1978), chapter IV.
    Raises ValueError if x does not increase, if a number is not finite, or if there are fewer than
    two nodes.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        super().__init__()
        nodes, values = checked_table(x, y)
        self.register_buffer("x", jnp.asarray(nodes))
        slopes = _not_a_knot_slopes(nodes, values)
        self.register_buffer("pieces", pieces_of(self.x, jnp.asarray(values), jnp.asarray(slopes)))

    def forward(self, x: jax.Array) -> jax.Array:
        """Return the interpolated values, in the shape of ``x``."""
        return evaluate_pieces(self.x, self.pieces, jnp.asarray(x))

    def slopes(self) -> jax.Array:
        """Return the slope at each node (nodes,): with it other code makes the same cubics."""
        return self.pieces[1:, 2]


def _not_a_knot_slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    n = x.size
    h = np.diff(x)
    secant = np.diff(y) / h
    if n == 2:
        return np.repeat(secant, 2)
    matrix = np.zeros((n, n))
    right = np.zeros(n)
    for i in range(1, n - 1):  # continuous second derivative at node i
        matrix[i, i - 1 : i + 2] = h[i], 2.0 * (h[i - 1] + h[i]), h[i - 1]
        right[i] = 3.0 * (h[i] * secant[i - 1] + h[i - 1] * secant[i])
    if n == 3:  # one parabola through all three
        matrix[0, :2] = matrix[2, 1:] = 1.0
        right[0], right[2] = 2.0 * secant[0], 2.0 * secant[1]
        return np.linalg.solve(matrix, right)
    matrix[0, :2], right[0] = _end_row(h[0], h[1], secant[0], secant[1])
    matrix[-1, -1:-3:-1], right[-1] = _end_row(h[-1], h[-2], secant[-1], secant[-2])
    return np.linalg.solve(matrix, right)


def _end_row(
    h_0: float, h_1: float, secant_0: float, secant_1: float
) -> tuple[tuple[float, float], float]:
    """Return the equation of one cubic across the node next to an end."""
    both = h_0 + h_1
    right = ((h_0 + 2.0 * both) * h_1 * secant_0 + h_0**2 * secant_1) / both
    return (h_1, both), right
