"""A state parted by the paths of its entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

__all__ = ["StateBranch"]


@final
class StateBranch:
    """Entries of a state below one prefix: those of one Module, and branches of those below.

    Handing each Module a dict filtered out of its parent's would cost the whole state for each
    child; here a Module costs its own entries.
    """

    __slots__ = ("below", "entries")

    def __init__(self) -> None:
        # By name: position in the state, full name, value.
        self.entries: dict[str, tuple[int, str, Any]] = {}
        self.below: dict[str, StateBranch] = {}

    @classmethod
    def of(cls, state: Mapping[str, Any], prefix: str) -> StateBranch:
        """The entries of a state that begin with a prefix."""
        root = cls()
        for position, (key, value) in enumerate(state.items()):
            if not key.startswith(prefix):
                continue
            *path, name = key[len(prefix) :].split(".")
            branch = root
            for part in path:
                branch = branch.below.setdefault(part, cls())
            branch.entries[name] = (position, key, value)
        return root

    def all_entries(self) -> list[tuple[int, str, Any]]:
        """Entries here and below, in the order of the state."""
        found: list[tuple[int, str, Any]] = []
        branches = [self]
        while branches:
            branch = branches.pop()
            found.extend(branch.entries.values())
            branches.extend(branch.below.values())
        return sorted(found, key=lambda entry: entry[0])
