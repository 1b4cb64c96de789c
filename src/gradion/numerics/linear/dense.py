"""A Jacobian without exploitable sparsity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax.scipy.linalg import lu_factor, lu_solve
from jaxtyping import Array, Float

from gradion.numerics.linear.structure import AbstractStructure

__all__ = ["Dense"]


@dataclass(frozen=True)
class Dense(AbstractStructure):
    """Full matrix, LU with partial pivoting."""

    def jacobian(
        self, function: Callable[[Array], Array], at: Float[Array, " n"]
    ) -> Float[Array, "n n"]:
        return jax.jacfwd(function)(at)

    def factorise(self, matrix: Float[Array, "n n"]) -> Any:
        return lu_factor(matrix)

    def solve(self, factors: Any, rhs: Float[Array, " n"]) -> Float[Array, " n"]:
        return lu_solve(factors, rhs)
