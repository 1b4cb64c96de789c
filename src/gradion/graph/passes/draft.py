"""An operation that may still become a simpler one, and what rules ask of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import jax.numpy as jnp
import numpy as np

from gradion.graph.graph import Tensor, TensorType

__all__ = ["Draft", "Rule", "spread_number"]

# They move elements, or repeat them: of a number repeated they make the same.
_MOVES: Final = frozenset({"broadcast_in_dim", "reshape", "rev", "slice", "squeeze", "transpose"})


@final
@dataclass(frozen=True)
class Draft:
    """An operation of one result of the type `type`.

    `number` gives the constant of rank 0 of a value. A rule makes another draft of it, or gives a
    tensor that has the same elements and the same type already.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    attributes: dict[str, Any]
    type: TensorType
    number: Callable[[np.ndarray], Tensor]

    def to(self, kind: str, inputs: Sequence[Tensor], **attributes: Any) -> Draft:
        """An operation of another kind for the same result."""
        return replace(self, kind=kind, inputs=tuple(inputs), attributes=attributes)

    def filled(self, value: Any) -> Draft | Tensor:
        """The result is this number everywhere."""
        number = self.number(np.asarray(value, jnp.dtype(self.type.dtype)))
        return self._repeated(number) if self.type.shape else number

    def like(self, tensor: Tensor) -> Draft | Tensor | None:
        """The result is this tensor, or a number of this one everywhere; None if it cannot be."""
        if tensor.type == self.type:
            return tensor
        alike = tensor.shape == () and tensor.dtype == self.type.dtype
        return self._repeated(tensor) if alike else None

    def _repeated(self, number: Tensor) -> Draft:
        shape = self.type.shape
        return self.to("broadcast_in_dim", [number], shape=shape, broadcast_dimensions=())


# None where the rule does not apply.
Rule = Callable[[Draft], Draft | Tensor | None]


def spread_number(tensor: Tensor) -> np.ndarray | None:
    """The number of rank 0 that a tensor repeats; None if it does not, or if nobody can know."""
    operation = tensor.operation
    if operation.kind in _MOVES:
        return spread_number(operation.inputs[0])
    if operation.value is None or not operation.value.size:
        return None
    flat = operation.value.reshape(-1)
    # Bits, not values: 0.0 is not -0.0, and a NaN is itself.
    rows = np.ascontiguousarray(flat).view(np.uint8).reshape(flat.size, -1)
    return flat[:1].reshape(()) if (rows == rows[0]).all() else None
