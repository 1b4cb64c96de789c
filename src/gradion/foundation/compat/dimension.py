"""Unknown sizes of arrays: JAX's symbolic ones and gradion's text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jax import export

from gradion.foundation.dimension import Dimension, Size

__all__ = ["neutral_shape", "neutral_size", "symbolic_shape"]

# One scope for all: equal names are equal sizes, and which graph they are of is seen from outside.
_SCOPE: Final = export.SymbolicScope()


def neutral_size(size: Any) -> Any:
    """A symbolic size as Dimension; anything else as it is."""
    return Dimension(str(size)) if export.is_symbolic_dim(size) else size


def neutral_shape(shape: Sequence[Any]) -> tuple[Size, ...]:
    """A shape of JAX in numbers and Dimensions."""
    return tuple(map(neutral_size, shape))


def symbolic_shape(shape: Sequence[Any]) -> tuple[Any, ...]:
    """A shape as JAX takes it while it traces; symbolic sizes of JAX are renewed in our scope.

    Raises ValueError for a text that JAX does not take as size.
    """
    neutral = neutral_shape(shape)
    if not any(isinstance(size, Dimension) for size in neutral):
        return tuple(neutral)
    # With a comma behind, one size alone is a shape too.
    return tuple(export.symbolic_shape("".join(f"{size}," for size in neutral), scope=_SCOPE))
