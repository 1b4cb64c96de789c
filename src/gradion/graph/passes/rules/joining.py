"""Arrays put together of one part, or taken apart into one."""

from __future__ import annotations

from typing import Final

from gradion.graph.graph import Tensor
from gradion.graph.passes.draft import Draft, Rule

__all__ = ["JOINING"]


def _of_one_part(draft: Draft) -> Draft | Tensor | None:
    return draft.like(draft.inputs[0]) if len(draft.inputs) == 1 else None


def _empty_parts(draft: Draft) -> Draft | None:
    axis = draft.attributes["dimension"]
    parts = [part for part in draft.inputs if part.shape[axis] != 0] or list(draft.inputs[:1])
    if len(parts) == len(draft.inputs):
        return None
    return draft.to("concatenate", parts, dimension=axis)


def _nested(draft: Draft) -> Draft | None:
    axis = draft.attributes["dimension"]
    parts: list[Tensor] = []
    for part in draft.inputs:
        inner = part.operation
        same = inner.kind == "concatenate" and inner.attributes["dimension"] == axis
        parts += inner.inputs if same else [part]
    if len(parts) == len(draft.inputs):
        return None
    return draft.to("concatenate", parts, dimension=axis)


def _nothing_added(draft: Draft) -> Draft | Tensor | None:
    widths = draft.attributes["padding_config"]
    return draft.like(draft.inputs[0]) if all(n == 0 for w in widths for n in w) else None


def _unchanged(draft: Draft) -> Draft | Tensor | None:
    return draft.like(draft.inputs[0]) if draft.inputs[0].type == draft.type else None


JOINING: Final[tuple[tuple[tuple[str, ...], str, Rule], ...]] = (
    (("concatenate",), "one part", _of_one_part),
    (("concatenate",), "empty parts", _empty_parts),
    (("concatenate",), "nested", _nested),
    (("pad",), "nothing added", _nothing_added),
    (("split", "tile"), "whole", _unchanged),
)
