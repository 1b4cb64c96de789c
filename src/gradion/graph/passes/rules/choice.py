"""Selections whose result is known before the condition is, or whose condition is known."""

from __future__ import annotations

from typing import Final

from gradion.graph.graph import Tensor
from gradion.graph.passes.draft import Draft, Rule, spread_number

__all__ = ["CHOICE"]


def _equal_cases(draft: Draft) -> Draft | Tensor | None:
    _, first, *others = draft.inputs
    return draft.like(first) if all(other is first for other in others) else None


def _known_condition(draft: Draft) -> Draft | Tensor | None:
    which, *cases = draft.inputs
    number = spread_number(which)
    # Outside of the cases there is no result that could be kept.
    if number is None or not 0 <= int(number) < len(cases):
        return None
    return draft.like(cases[int(number)])


def _negated_condition(draft: Draft) -> Draft | None:
    which, *cases = draft.inputs
    negated = which.operation
    if which.dtype != "bool" or negated.kind != "not":
        return None
    return draft.to("select_n", [negated.inputs[0], *reversed(cases)])


CHOICE: Final[tuple[tuple[tuple[str, ...], str, Rule], ...]] = (
    (("select_n",), "equal cases", _equal_cases),
    (("select_n",), "known condition", _known_condition),
    (("select_n",), "negated condition", _negated_condition),
)
