"""Modules by key."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, cast, final

from gradion.module.containers.pairs import checked_pairs
from gradion.module.module import Module

__all__ = ["ModuleDict"]


@final
class ModuleDict(Module):
    """A dictionary of Modules, in the order in which keys were added.

    Made of a mapping, of pairs or of another ModuleDict. Keys are names of children: KeyError for
    one that is empty, has a dot or is an attribute of every ModuleDict ("keys", "training"),
    TypeError for what is no text. A value may be None, as a place for a Module; whatever else
    is no Module raises TypeError. A key that is missing raises KeyError.
    """

    def __init__(
        self,
        modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]] | None = None,
    ) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def update(
        self, modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]]
    ) -> None:
        """Add or replace Modules by key; an existing key keeps its place."""
        given = modules
        if isinstance(given, (Mapping, ModuleDict)):
            given = given.items()
        for key, module in checked_pairs(given, "ModuleDict.update"):
            self[key] = module

    def pop(self, key: str) -> Module:
        """Delete a key and return its Module."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Delete all keys."""
        self._require_writable("_modules")
        self._modules.clear()
        self._changed()

    def keys(self) -> KeysView[str]:
        """A view of the keys."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """A view of the pairs of key and Module."""
        return cast("dict[str, Module]", self._modules).items()

    def values(self) -> ValuesView[Module]:
        """A view of the Modules."""
        return cast("dict[str, Module]", self._modules).values()

    def __getitem__(self, key: str) -> Module:
        return cast(Module, self._modules[key])

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        self._require_writable(str(key))
        del self._modules[key]
        self._changed()

    def __contains__(self, key: Any) -> bool:
        return key in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)
