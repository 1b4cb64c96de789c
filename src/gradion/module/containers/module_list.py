"""Modules in order, as a list holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, SupportsIndex, cast, final, overload

from gradion.module.containers.numbered import (
    append_all,
    checked_modules,
    child_name,
    delete_at,
    position_of,
    put_at,
    renumber,
)
from gradion.module.module import Module

__all__ = ["ModuleList"]


@final
class ModuleList(Module):
    """A list of Modules, registered as its children "0", "1", ...

    Indices may count from the end; a slice gives a new ModuleList of the same Modules. An entry
    may be None, as a place for a Module. Whatever is no Module raises TypeError, an index out
    of range IndexError, and nothing is changed then. Deleting and inserting number the entries
    anew; appending n Modules takes time proportional to n.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def append(self, module: Module) -> Self:
        """Add a Module at the end; returns this list."""
        append_all(self, checked_modules(self, (module,), "append"))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add Modules at the end; returns this list."""
        append_all(self, checked_modules(self, modules, "extend"))
        return self

    def insert(self, index: SupportsIndex, module: Module) -> None:
        """Add a Module before a position, which is taken as `list.insert` takes it."""
        children = list(self._modules.values())
        (child,) = checked_modules(self, (module,), "insert")
        children.insert(index, child)
        renumber(self, children)

    def pop(self, key: SupportsIndex | slice) -> Module:
        """Delete one entry or a slice and return it."""
        popped = self[key]
        del self[key]
        return popped

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        name = str(position_of(self, index, len(self._modules)))
        # A name that is no number is possible: attributes can be added and deleted by hand.
        if name not in self._modules:
            name = child_name(self, index)
        return cast(Module, self._modules[name])

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        put_at(self, index, module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        delete_at(self, index)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(cast("tuple[Module, ...]", tuple(self._modules.values())))

    def __reversed__(self) -> Iterator[Module]:
        return reversed(tuple(self))

    def __contains__(self, module: Any) -> bool:
        return any(module is child for child in self)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        added = checked_modules(self, other, "+")
        return ModuleList([*self, *added])

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)
