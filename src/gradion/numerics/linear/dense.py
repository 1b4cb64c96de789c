"""A Jacobian without exploitable sparsity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import lu_factor, lu_solve
from jaxtyping import Array, Float

from gradion.numerics.linear.structure import AbstractStructure

__all__ = ["Dense"]


@dataclass(frozen=True)
class Dense(AbstractStructure):
    """Full matrix, LU with partial pivoting."""

    def matrix(
        self, linear: Callable[[Array], Array], like: Float[Array, " n"]
    ) -> Float[Array, "n n"]:
        return jax.vmap(linear, out_axes=1)(jnp.eye(like.shape[0], dtype=like.dtype))

    def factorise(self, matrix: Float[Array, "n n"]) -> Any:
        return lu_factor(matrix)

    def solve(self, factors: Any, rhs: Float[Array, " n"]) -> Float[Array, " n"]:
        return lu_solve(factors, rhs)
