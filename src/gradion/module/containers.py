"""Modules that hold other Modules in order."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import SupportsIndex, final

from gradion.module.module import Module

__all__ = ["ModuleList"]


@final
class ModuleList(Module):
    """A list of Modules, registered under "0", "1", ...; raises TypeError for anything else."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Add a Module at the end; returns this list."""
        if not isinstance(module, Module):
            raise TypeError(f"ModuleList.append: got {type(module).__name__}, expected a Module")
        self.register_module(str(len(self)), module)
        return self

    def __getitem__(self, index: SupportsIndex) -> Module:
        position = operator.index(index)
        size = len(self)
        if not -size <= position < size:
            raise IndexError(f"ModuleList index {position}, expected one of {size} Modules")
        return self.get_submodule(str(position % size))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return (module for module in self._modules.values() if module is not None)
