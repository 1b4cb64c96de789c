"""Parts of arrays: whole ones, parts of parts, and parts at places that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gradion.graph.graph import Tensor
from gradion.graph.passes.draft import Draft, Rule, spread_number

__all__ = ["SLICES"]


def _whole(draft: Draft) -> Draft | Tensor | None:
    # A part as large as the whole is the whole: nothing of it is left out, nothing repeated.
    return draft.like(draft.inputs[0]) if draft.inputs[0].type == draft.type else None


def _of_a_part(draft: Draft) -> Draft | None:
    inner = draft.inputs[0].operation
    if inner.kind != "slice" or not (_known(draft.attributes) and _known(inner.attributes)):
        return None
    firsts, gaps = inner.attributes["start_indices"], inner.attributes["strides"]
    bounds = []
    for start, limit, step, first, gap in zip(*_bounds(draft), firsts, gaps, strict=True):
        count = len(range(start, limit, step))
        begin = first + start * gap if count else first
        end = begin + (count - 1) * step * gap + 1 if count else begin
        bounds.append((begin, end, step * gap if count else 1))
    return _slice(draft, inner.inputs[0], bounds)


def _of_one_part(draft: Draft) -> Draft | Tensor | None:
    """A slice of a concatenation that lies in one of its parts."""
    joined = draft.inputs[0].operation
    if joined.kind != "concatenate" or not _known(draft.attributes):
        return None
    axis = joined.attributes["dimension"]
    bounds = list(zip(*_bounds(draft), strict=True))
    start, limit, step = bounds[axis]
    taken = range(start, limit, step)
    if not taken:
        return None
    begin = 0
    for part in joined.inputs:
        size = part.shape[axis]
        if not isinstance(size, int):
            return None
        end = begin + size
        if begin <= taken[0] and taken[-1] < end:
            bounds[axis] = (taken[0] - begin, taken[-1] - begin + 1, step)
            return _slice(draft, part, bounds)
        begin = end
    return None


def _known_start(draft: Draft) -> Draft | None:
    """A dynamic slice at known places: JAX moves it so that it lies inside."""
    array, *starts = draft.inputs
    bounds = []
    for start, n_all, n_taken in zip(starts, array.shape, draft.type.shape, strict=True):
        number = spread_number(start)
        if number is None or not (isinstance(n_all, int) and isinstance(n_taken, int)):
            return None
        begin = min(max(int(number), 0), n_all - n_taken)
        bounds.append((begin, begin + n_taken, 1))
    return _slice(draft, array, bounds)


def _all_written(draft: Draft) -> Draft | Tensor | None:
    # Moved so that it lies inside, an update of the whole size starts at 0.
    return draft.like(draft.inputs[1]) if draft.inputs[1].type == draft.type else None


def _known(attributes: dict[str, Any]) -> bool:
    """Whether the bounds of a slice are numbers."""
    return all(isinstance(n, int) for bounds in attributes.values() for n in bounds)


def _bounds(draft: Draft) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    given = draft.attributes
    return given["start_indices"], given["limit_indices"], given["strides"]


def _slice(draft: Draft, array: Tensor, bounds: Sequence[tuple[int, int, int]]) -> Draft:
    starts, limits, strides = zip(*bounds, strict=True) if bounds else ((), (), ())
    return draft.to("slice", [array], start_indices=starts, limit_indices=limits, strides=strides)


SLICES: Final[tuple[tuple[tuple[str, ...], str, Rule], ...]] = (
    (("slice", "dynamic_slice"), "whole", _whole),
    (("slice",), "part of a part", _of_a_part),
    (("slice",), "part of one part", _of_one_part),
    (("dynamic_slice",), "known start", _known_start),
    (("dynamic_update_slice",), "all written", _all_written),
)
