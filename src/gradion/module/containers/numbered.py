"""Children of a Module by position, for the containers that number theirs."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

from gradion.module.module import Module

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "append_all",
    "child_name",
    "checked_modules",
    "delete_at",
    "is_child",
    "position_of",
    "put_at",
    "renumber",
]


def position_of(module: Module, index: SupportsIndex, size: int) -> int:
    """A position 0, 1, ... from one that may count from the end.

    Raises TypeError for what is no whole number, IndexError for one that is out of range.
    """
    position = operator.index(index)
    if not -size <= position < size:
        raise IndexError(f"{type(module).__name__} index {position}, but it has {size} entries")
    return position % size


def child_name(module: Module, index: SupportsIndex) -> str:
    """Name of the child at a position. Raises as `position_of`."""
    modules = module._modules
    position = position_of(module, index, len(modules))
    # A name that is no number is possible: attributes can be added and deleted by hand.
    return next(itertools.islice(modules, position, None))


def is_child(value: Any) -> TypeGuard[Module | None]:
    """Whether `value` may be a child: a Module, or None as a place for one."""
    return value is None or isinstance(value, Module)


def checked_modules(module: Module, children: Iterable[Any], what: str) -> list[Module]:
    """The children as a list, so that nothing is changed where one does not fit.

    Raises TypeError for what is not iterable, or holds something else than Modules and Nones.
    """
    if not isinstance(children, Iterable):
        raise TypeError(
            f"{type(module).__name__}.{what}: got {type(children).__name__}, expected an "
            "iterable of Modules"
        )
    listed = list(children)
    for child in listed:
        if not is_child(child):
            raise TypeError(
                f"{type(module).__name__}.{what}: got {type(child).__name__}, expected a Module"
                + ("; gradion.nn.Activation makes one of a function" if callable(child) else "")
            )
    return listed


def append_all(module: Module, children: list[Module]) -> None:
    """Add children under the next numbers; KeyError, before anything is added, if one is taken."""
    modules = module._modules
    first = len(modules)
    names = [str(first + i) for i in range(len(children))]
    for name in names:
        if name in modules:
            raise KeyError(
                f"{type(module).__name__}: the name {name!r} of the next entry is taken; number "
                "the entries 0, 1, ... or add this one by register_module with a name of its own"
            )
    for name, child in zip(names, children, strict=True):
        module.register_module(name, child)


def put_at(module: Module, index: SupportsIndex, child: Any) -> None:
    """Replace the child at a position, under the name it has. TypeError for what is no Module."""
    name = child_name(module, index)
    if not is_child(child):
        raise TypeError(
            f"{type(module).__name__}[{name}]: got {type(child).__name__}, expected a Module or "
            "None"
        )
    setattr(module, name, child)


def renumber(module: Module, children: Iterable[Module | None]) -> None:
    """Make these all the children, named by their positions."""
    module._require_writable("_modules")
    numbered = {str(i): child for i, child in enumerate(children)}
    module._modules.clear()
    module._modules.update(numbered)
    module._changed()


def delete_at(module: Module, index: SupportsIndex | slice) -> None:
    """Delete one child or a slice of them, and number the others anew."""
    children = list(module._modules.values())
    if not isinstance(index, slice):
        index = position_of(module, index, len(children))
    del children[index]
    renumber(module, children)
