"""Modules in a row, each called on what the one before it returned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, SupportsIndex, cast, final, overload

from gradion.module.containers.numbered import (
    append_all,
    checked_modules,
    child_name,
    delete_at,
    put_at,
)
from gradion.module.module import Module

__all__ = ["Sequential"]


@final
class Sequential(Module):
    """Calls its Modules in order, the first one on the argument.

    Made of Modules, which are named "0", "1", ..., or of one mapping of names to Modules. An empty
    one returns its argument. Indices may count from the end; a slice gives a new Sequential of
    the same Modules under the names they have. Whatever is no Module raises TypeError, an index
    out of range IndexError, and nothing is changed then. Deleting names all entries anew by
    their positions, also those that had names of their own.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, module)
        else:
            append_all(self, checked_modules(self, modules, "__init__"))

    def forward(self, x: Any) -> Any:
        """Pass `x` through all Modules."""
        for module in self._modules.values():
            x = module(x)  # type: ignore[misc]  # a None left in its place raises TypeError
        return x

    def append(self, module: Module) -> Self:
        """Add a Module at the end; returns this Sequential."""
        append_all(self, checked_modules(self, (module,), "append"))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add Modules at the end; returns this Sequential."""
        append_all(self, checked_modules(self, modules, "extend"))
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a Module before a position, or at the end; returns this Sequential.

        Raises KeyError where the entries that would move have names of their own.
        """
        (child,) = checked_modules(self, (module,), "insert")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Sequential.insert: got index {index}, but it has {size} entries")
        position = index + size if index < 0 else index
        if position == size:
            return self.append(child)
        for i, name in enumerate(self._modules):
            if i >= position and name != str(i):
                raise KeyError(
                    f"Sequential.insert: the entry {name!r} would lose its name; make a new "
                    "Sequential of a mapping"
                )
        children = list(self._modules.values())
        names = list(self._modules)[:position] + [str(i) for i in range(position, size + 1)]
        children.insert(position, child)
        self._require_writable("_modules")
        self._modules.clear()
        self._modules.update(zip(names, children, strict=True))
        self._changed()
        return self

    def pop(self, key: SupportsIndex | slice) -> Module:
        """Delete one entry or a slice and return it."""
        popped = self[key]
        del self[key]
        return popped

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))  # type: ignore[arg-type]
        return cast(Module, self._modules[child_name(self, index)])

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

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *_sequential(other))

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(_sequential(other))

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*tuple(self) * _times(times))

    def __rmul__(self, times: int) -> Sequential:
        return self * times

    def __imul__(self, times: int) -> Self:
        return self.extend(tuple(self) * (_times(times) - 1))


def _sequential(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"Sequential +: got {type(other).__name__}, expected a Sequential; use extend"
        )
    return other


def _times(times: Any) -> int:
    if not isinstance(times, int):
        raise TypeError(f"Sequential *: got {type(times).__name__}, expected a whole number")
    if times < 1:
        raise ValueError(f"Sequential *: got {times}, expected 1 or more")
    return times
