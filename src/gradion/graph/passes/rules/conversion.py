"""Conversions of dtype that lose nothing, and so need not be made."""

from __future__ import annotations

from typing import Final

from gradion.graph.graph import Tensor
from gradion.graph.passes.draft import Draft, Rule
from gradion.graph.passes.dtypes import holds, is_floating, is_integral

__all__ = ["CONVERSION"]


def _to_its_own(draft: Draft) -> Draft | Tensor | None:
    return draft.like(draft.inputs[0])


def _by_way_of(draft: Draft) -> Draft | Tensor | None:
    """From a to c by way of b, where b holds all numbers of a: from a to c."""
    inner = draft.inputs[0].operation
    if inner.kind != "convert_element_type":
        return None
    (tensor,) = inner.inputs
    first, between, last = tensor.dtype, draft.inputs[0].dtype, draft.type.dtype
    if not holds(between, first):
        return None
    # An integer too large wraps around; a float too large saturates.
    by_rounding = is_integral(first) and is_floating(between) and is_integral(last)
    if by_rounding and not holds(last, first):
        return None
    return draft.to("convert_element_type", [tensor], new_dtype=last)


CONVERSION: Final[tuple[tuple[tuple[str, ...], str, Rule], ...]] = (
    (("convert_element_type",), "conversion to its own dtype", _to_its_own),
    (("convert_element_type",), "conversion by way of another", _by_way_of),
)
