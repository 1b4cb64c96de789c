"""The handle that registering a hook returns."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any, Self, final

__all__ = ["HookTable", "RemovableHandle"]

_ids = itertools.count()


@final
class HookTable(dict[int, Any]):
    """Hooks of one kind by id, in the order in which they run; can be referenced weakly."""

    __slots__ = ("__weakref__", "changed", "find")

    def __init__(
        self,
        changed: Callable[[], None],
        find: Callable[[dict[int, Any]], Callable[[], HookTable | None]],
    ) -> None:
        super().__init__()
        # Called after each addition and removal: hooks are part of a Module's structure.
        self.changed = changed
        # Given the memo of a deep copy, what finds the table in the place of this one.
        self.find = find


@final
class RemovableHandle:
    """Removes its hook by `remove()`, or at the end of a `with` block; removing twice is no error.

    A handle keeps neither the Module nor the hook alive.
    """

    __slots__ = ("_table", "id")

    def __init__(self, table: HookTable, entry: Any, *, prepend: bool = False) -> None:
        self.id = next(_ids)
        self._table: Callable[[], HookTable | None] = weakref.ref(table)
        if prepend:
            rest = dict(table)
            table.clear()
            table[self.id] = entry
            table.update(rest)
        else:
            table[self.id] = entry
        table.changed()

    def remove(self) -> None:
        """Remove the hook, if it is still there."""
        table = self._table()
        if table is not None and table.pop(self.id, None) is not None:
            table.changed()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The handle of the same hook in the copy of its Module, if that is copied, too."""
        twin = object.__new__(type(self))
        twin.id = self.id
        table = self._table()
        twin._table = (lambda: None) if table is None else table.find(memo)
        return twin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
