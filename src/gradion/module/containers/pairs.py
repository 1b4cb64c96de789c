"""Pairs of key and value out of what a dictionary may be updated with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["checked_pairs"]


def checked_pairs(pairs: Any, what: str) -> list[tuple[Any, Any]]:
    """The pairs as a list; `what` names the caller in messages.

    Raises TypeError for what is not iterable, or has an entry that is not, ValueError for an
    entry that is not two things.
    """
    if not isinstance(pairs, Iterable):
        raise TypeError(
            f"{what}: got {type(pairs).__name__}, expected a mapping or pairs of key and value"
        )
    checked = []
    for i, pair in enumerate(pairs):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{what}: entry {i} is {type(pair).__name__}, expected a pair of key and value"
            )
        items = tuple(pair)
        if len(items) != 2:
            raise ValueError(
                f"{what}: entry {i} has {len(items)} items, expected a pair of key and value"
            )
        checked.append(items)
    return checked
