"""Operations on derivatives that are a number, or one of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from gradion.graph.graph import Tensor, TensorType

__all__ = ["folded", "input_that_it_is", "is_floating"]

# The number that all elements of a tensor are; None if that is not known.
_NumberOf = Callable[[Tensor], np.generic | None]

# They are their input if they do not change its type.
_CHANGES_OF_TYPE: Final = frozenset(
    {"broadcast_in_dim", "convert_element_type", "reshape", "slice", "squeeze"}
)
# Exact in every arithmetic of IEEE 754, so that it does not matter where they are computed.
_FOLDS: Final[dict[str, Callable[..., Any]]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "div": np.divide,
    **dict.fromkeys((*_CHANGES_OF_TYPE, "rev", "tile", "transpose"), lambda number: number),
}
# The input that makes the other one the result, by its place and its number.
_NEUTRAL: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "add": ((0, 0), (1, 0)),
    "sub": ((1, 0),),
    "mul": ((0, 1), (1, 1)),
    "div": ((1, 1),),
}


def is_floating(tensor: Tensor) -> bool:
    """Whether a tensor has derivatives."""
    return np.dtype(tensor.dtype).kind == "f"


def folded(
    number_of: _NumberOf, kind: str, inputs: Sequence[Tensor], made: TensorType
) -> np.generic | None:
    """The number that all elements of an operation's floating result are, if that is known."""
    if kind not in _FOLDS or not np.issubdtype(made.dtype, np.floating):
        return None
    numbers = []
    for tensor in inputs:
        number = number_of(tensor)
        if number is None:
            return None
        numbers.append(number)
    with np.errstate(all="ignore"):
        return np.dtype(made.dtype).type(_FOLDS[kind](*numbers))


def input_that_it_is(
    number_of: _NumberOf, kind: str, inputs: Sequence[Tensor], made: TensorType
) -> Tensor | None:
    """The input that an operation returns as it is, if it does."""
    if kind in _CHANGES_OF_TYPE:
        return inputs[0] if inputs[0].type == made else None
    if np.issubdtype(made.dtype, np.floating):
        for place, neutral in _NEUTRAL.get(kind, ()):
            other = inputs[1 - place]
            if other.type == made and number_of(inputs[place]) == neutral:
                return other
    return None
