"""The interface between an implicit method and the sparsity of its Jacobian."""

import abc
from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

__all__ = ["AbstractStructure"]


class AbstractStructure(abc.ABC):
    """Where the nonzeros of a square Jacobian are.

    A structure is a static, hashable object (a frozen dataclass). It forms a Jacobian by as few
    directional derivatives as its sparsity allows, prepares it, and solves with it. `solve` is
    linear in its right-hand side and may be transposed and batched by JAX; a batch of right-hand
    sides shares the prepared matrix.
    """

    @abc.abstractmethod
    def matrix(self, linear: Callable[[Array], Array], like: Float[Array, " n"]) -> Any:
        """Storage of a linear function of n unknowns, such as `jax.linearize` returns.

        `like` is any vector of its argument's shape and dtype.
        """

    @abc.abstractmethod
    def factorise(self, matrix: Any) -> Any:
        """Prepare `matrix` for repeated solves."""

    @abc.abstractmethod
    def solve(self, factors: Any, rhs: Float[Array, " n"]) -> Float[Array, " n"]:
        """Solve for one right-hand side [n]."""
