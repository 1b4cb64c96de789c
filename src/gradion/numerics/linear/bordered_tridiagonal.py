"""Tridiagonal Jacobians with a few dense rows and columns, as chains of control volumes give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gradion.numerics.linear.structure import AbstractStructure

__all__ = ["BorderedFactors", "BorderedTridiagonal", "BorderedTridiagonalMatrix"]


class BorderedTridiagonalMatrix(NamedTuple):
    """[[A, B], [C, D]] with A tridiagonal; `lower[0]` and `upper[-1]` are zero."""

    lower: Float[Array, " m"]
    diagonal: Float[Array, " m"]
    upper: Float[Array, " m"]
    columns: Float[Array, "m border"]
    rows: Float[Array, "border m"]
    corner: Float[Array, "border border"]


class BorderedFactors(NamedTuple):
    """The matrix, A^-1 B, and the Schur complement D - C A^-1 B."""

    matrix: BorderedTridiagonalMatrix
    spike: Float[Array, "m border"]
    schur: Float[Array, "border border"]


@dataclass(frozen=True)
class BorderedTridiagonal(AbstractStructure):
    """The first n - border unknowns couple to their neighbours only, the last `border` to all.

    Several independent chains may follow each other in the tridiagonal part. The matrix costs
    3 + border applications of the linear function and `border` of its transpose, whatever n is.
    The elimination does not pivot across the border, which suits the diagonally dominant matrices
    of implicit steps; a matrix that needs more is a case for `Dense`.
    """

    border: int = 0

    def matrix(
        self, linear: Callable[[Array], Array], like: Float[Array, " n"]
    ) -> BorderedTridiagonalMatrix:
        n, k, dtype = like.shape[0], self.border, like.dtype
        m = n - k
        # Columns of equal index modulo 3 never meet in one row of a tridiagonal block.
        colours = (jnp.arange(n)[None, :] % 3 == jnp.arange(3)[:, None]) & (jnp.arange(n) < m)
        seeds = jnp.concatenate([colours.astype(dtype), jnp.eye(n, dtype=dtype)[m:]])
        images = jax.vmap(linear)(seeds)
        i = jnp.arange(m)
        lower = jnp.where(i > 0, images[(i - 1) % 3, i], 0.0)
        diagonal = images[i % 3, i]
        upper = jnp.where(i < m - 1, images[(i + 1) % 3, i], 0.0)
        if k == 0:
            empty = jnp.zeros((m, 0), dtype)
            return BorderedTridiagonalMatrix(
                lower, diagonal, upper, empty, empty.T, jnp.zeros((0, 0), dtype)
            )
        pullback = jax.linear_transpose(linear, like)
        rows = jax.vmap(lambda e: pullback(e)[0])(jnp.eye(n, dtype=dtype)[m:])
        return BorderedTridiagonalMatrix(
            lower, diagonal, upper, images[3:, :m].T, rows[:, :m], rows[:, m:]
        )

    def factorise(self, matrix: BorderedTridiagonalMatrix) -> BorderedFactors:
        if self.border == 0:
            return BorderedFactors(matrix, matrix.columns, matrix.corner)
        spike = lax.linalg.tridiagonal_solve(
            matrix.lower, matrix.diagonal, matrix.upper, matrix.columns
        )
        return BorderedFactors(matrix, spike, matrix.corner - matrix.rows @ spike)

    def solve(self, factors: BorderedFactors, rhs: Float[Array, " n"]) -> Float[Array, " n"]:
        matrix = factors.matrix
        m = matrix.diagonal.shape[0]
        x = lax.linalg.tridiagonal_solve(
            matrix.lower, matrix.diagonal, matrix.upper, rhs[:m, None]
        )[:, 0]
        if self.border == 0:
            return x
        reduced = rhs[m:] - matrix.rows @ x
        if self.border == 1:
            y = reduced / factors.schur[0]
        else:
            y = jnp.linalg.solve(factors.schur, reduced)
        return jnp.concatenate([x - factors.spike @ y, y])
