"""The sparse Jacobian of a compiled function, callable from JAX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp

from gradion.extension import Operator
from gradion.graph.signature import Signature
from gradion.graph.sparse import SparsePattern

__all__ = ["CppJacobian"]


@final
class CppJacobian:
    """The values of the entries of a pattern as C++; call it with the function's arguments.

    Rows are the elements of the function's floating results, columns those of the argument, each
    flattened and counted over all arrays in order. Works under `jit` and `vmap`; derivatives of
    the values are JAX's.
    """

    def __init__(
        self, pattern: SparsePattern, operator: Operator, signature: Signature, used: Sequence[int]
    ) -> None:
        self.pattern = pattern
        self._operator = operator
        self._signature = signature
        self._used = tuple(used)

    def __call__(self, *arguments: Any) -> jax.Array:
        """The values at a point; TypeError for arguments unlike the examples in structure."""
        leaves = self._signature.flatten(arguments)
        found: jax.Array = self._operator(*[jnp.asarray(leaves[i]) for i in self._used])
        return found

    def dense(self, *arguments: Any) -> jax.Array:
        """The whole matrix at a point."""
        return self.pattern.dense(self(*arguments))
