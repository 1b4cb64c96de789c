"""Monotone cubic interpolation of a table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from gradion.module import Module, Parameter
from gradion.numerics.interpolate.hermite import checked_table, evaluate_pieces, pieces_of

__all__ = ["MonotoneSpline"]


class MonotoneSpline(Module):
    """A cubic spline with continuous slope that is monotone where its data are.

    Inside the table the slope at a node is the weighted harmonic mean of the two neighbouring
    secants, and zero where they differ in sign; at the two ends it is the one-sided parabola's,
    limited to keep the shape. Outside it goes on as a straight line with the end slope. Two nodes
    give that line alone. The second derivative jumps at the nodes.

    Values and derivatives follow x and the tabulated values exactly. ``y`` may be a Parameter: it
    is then fitted like any other, and the pieces are computed at each call. Otherwise they are a
    buffer, computed once.

    Source: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300-304, doi:10.1137/0905021,
    with the end slopes of Moler, Numerical Computing with Matlab (2004), section 3.6.
    Raises ValueError if x does not increase, if a number is not finite, or if there are fewer than
    two nodes.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike | Parameter) -> None:
        super().__init__()
        nodes, values = checked_table(x, y.value if isinstance(y, Parameter) else y)
        self.register_buffer("x", jnp.asarray(nodes))
        if isinstance(y, Parameter):
            self.register_parameter("y", y)
        else:
            self.register_buffer("pieces", _pieces(self.x, jnp.asarray(values)))

    def forward(self, x: jax.Array) -> jax.Array:
        """Return the interpolated values, in the shape of ``x``."""
        pieces = self.pieces if "pieces" in self._buffers else _pieces(self.x, self.y)
        return evaluate_pieces(self.x, pieces, jnp.asarray(x))

    def slopes(self) -> jax.Array:
        """Return the slope at each node (nodes,): with it other code makes the same cubics."""
        pieces = self.pieces if "pieces" in self._buffers else _pieces(self.x, self.y)
        return pieces[1:, 2]


def _pieces(nodes: jax.Array, values: jax.Array) -> jax.Array:
    return pieces_of(nodes, values, _node_slopes(nodes, values))


def _node_slopes(nodes: jax.Array, values: jax.Array) -> jax.Array:
    """Return the slope at each node (nodes,)."""
    left, right = _slopes_of_interval(nodes, values, jnp.arange(nodes.shape[0] - 1))
    return jnp.append(left, right[-1])


def _slopes_of_interval(
    nodes: jax.Array, values: jax.Array, i: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the slopes at the two ends of the intervals i."""
    n = nodes.shape[0]
    h, secant = _secant(nodes, values, i)
    if n == 2:
        return secant, secant
    first, last = i == 0, i == n - 2
    # At the end intervals the missing neighbour is replaced by a present one, and not used.
    h_before, secant_before = _secant(nodes, values, jnp.maximum(i - 1, 0))
    h_after, secant_after = _secant(nodes, values, jnp.minimum(i + 1, n - 2))
    left = jnp.where(
        first,
        _end_slope(h, h_after, secant, secant_after),
        _inner_slope(h_before, h, secant_before, secant),
    )
    right = jnp.where(
        last,
        _end_slope(h, h_before, secant, secant_before),
        _inner_slope(h, h_after, secant, secant_after),
    )
    return left, right


def _secant(nodes: jax.Array, values: jax.Array, i: jax.Array) -> tuple[jax.Array, jax.Array]:
    h = nodes[i + 1] - nodes[i]
    return h, (values[i + 1] - values[i]) / h


def _inner_slope(
    h_0: jax.Array, h_1: jax.Array, secant_0: jax.Array, secant_1: jax.Array
) -> jax.Array:
    """Return the weighted harmonic mean of two secants; zero at an extremum or a plateau."""
    w_0, w_1 = 2.0 * h_1 + h_0, h_1 + 2.0 * h_0
    same_sign = secant_0 * secant_1 > 0.0
    # The guard keeps 0/0 of a plateau out of the value and of the gradient.
    denominator = jnp.where(same_sign, w_0 * secant_1 + w_1 * secant_0, 1.0)
    return jnp.where(same_sign, (w_0 + w_1) * secant_0 * secant_1 / denominator, 0.0)


def _end_slope(
    h_0: jax.Array, h_1: jax.Array, secant_0: jax.Array, secant_1: jax.Array
) -> jax.Array:
    """Return the parabola's slope at an end, limited to keep the shape."""
    slope = ((2.0 * h_0 + h_1) * secant_0 - h_0 * secant_1) / (h_0 + h_1)
    too_steep = (secant_0 * secant_1 <= 0.0) & (jnp.abs(slope) > 3.0 * jnp.abs(secant_0))
    limited = jnp.where(too_steep, 3.0 * secant_0, slope)
    return jnp.where(slope * secant_0 > 0.0, limited, 0.0)
