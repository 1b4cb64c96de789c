"""Elements moved to where they are already, or moved twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gradion.graph.graph import Operation, Tensor
from gradion.graph.passes.draft import Draft, Rule

__all__ = ["MOVEMENT"]

_REGROUPED: Final = frozenset({"reshape", "squeeze"})


def _whole(draft: Draft) -> Draft | Tensor | None:
    return draft.like(draft.inputs[0])


def _of_a_number(draft: Draft) -> Draft | None:
    """A number repeated, then moved: a number repeated."""
    inner = draft.inputs[0].operation
    if inner.kind != "broadcast_in_dim" or inner.inputs[0].shape != ():
        return None
    return draft.to(
        "broadcast_in_dim", inner.inputs, shape=draft.type.shape, broadcast_dimensions=()
    )


def _regrouped_twice(draft: Draft) -> Draft | None:
    inner = draft.inputs[0].operation
    if not _regroups(inner):
        return None
    return draft.to("reshape", inner.inputs, new_sizes=draft.type.shape)


def _regroups(operation: Operation) -> bool:
    """Whether the elements stay in their order: also where axes of size 1 are put in."""
    if operation.kind != "broadcast_in_dim":
        return operation.kind in _REGROUPED
    small, large = operation.inputs[0].shape, operation.outputs[0].shape
    places = list(operation.attributes["broadcast_dimensions"])
    added = [large[i] for i in range(len(large)) if i not in places]
    return all(n == 1 for n in added) and [large[i] for i in places] == list(small)


def _same_axes(draft: Draft) -> Draft | Tensor | None:
    shape = draft.inputs[0].shape
    if list(draft.attributes["broadcast_dimensions"]) != list(range(len(shape))):
        return None
    return draft.like(draft.inputs[0]) if shape == draft.type.shape else None


def _repeated_twice(draft: Draft) -> Draft | None:
    inner = draft.inputs[0].operation
    if inner.kind != "broadcast_in_dim":
        return None
    outer = draft.attributes["broadcast_dimensions"]
    places = tuple(outer[place] for place in inner.attributes["broadcast_dimensions"])
    return draft.to(
        "broadcast_in_dim", inner.inputs, shape=draft.type.shape, broadcast_dimensions=places
    )


def _same_order(draft: Draft) -> Draft | Tensor | None:
    order = list(draft.attributes["permutation"])
    return draft.like(draft.inputs[0]) if order == sorted(order) else None


def _reordered_twice(draft: Draft) -> Draft | None:
    inner = draft.inputs[0].operation
    if inner.kind != "transpose":
        return None
    first = inner.attributes["permutation"]
    order = tuple(first[axis] for axis in draft.attributes["permutation"])
    return draft.to("transpose", inner.inputs, permutation=order)


def _short_axes(draft: Draft) -> Draft | Tensor | None:
    """Axes of at most one element look the same from behind."""
    axes = draft.attributes["dimensions"]
    long = tuple(axis for axis in axes if draft.type.shape[axis] not in (0, 1))
    if not long:
        return draft.like(draft.inputs[0])
    return None if len(long) == len(axes) else draft.to("rev", draft.inputs, dimensions=long)


def _reversed_twice(draft: Draft) -> Draft | None:
    inner = draft.inputs[0].operation
    if inner.kind != "rev":
        return None
    axes = _in_one(draft.attributes["dimensions"], inner.attributes["dimensions"])
    return draft.to("rev", inner.inputs, dimensions=axes)


def _in_one(first: Sequence[Any], second: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(first) ^ set(second)))


MOVEMENT: Final[tuple[tuple[tuple[str, ...], str, Rule], ...]] = (
    (("reshape", "squeeze"), "whole", _whole),
    (("reshape", "squeeze", "rev", "slice", "transpose"), "of a number", _of_a_number),
    (("reshape", "squeeze"), "regrouped twice", _regrouped_twice),
    (("broadcast_in_dim",), "whole", _same_axes),
    (("broadcast_in_dim",), "repeated twice", _repeated_twice),
    (("transpose",), "whole", _same_order),
    (("transpose",), "reordered twice", _reordered_twice),
    (("rev",), "whole", _short_axes),
    (("rev",), "reversed twice", _reversed_twice),
)
