"""Counts changes of structure over all Modules: while it stands still no Module is looked at."""

from __future__ import annotations

import itertools
from typing import final

__all__ = ["CHANGES"]


@final
class _ChangeCounter:
    """A number that grows with each change of any Module's structure."""

    __slots__ = ("_numbers", "value")

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.value = 0

    def note(self) -> None:
        """Count one change."""
        # One step of an iterator cannot be interrupted by another thread; += could.
        self.value = next(self._numbers)


CHANGES = _ChangeCounter()
