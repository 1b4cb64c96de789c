"""Parametrised attributes as Module itself sees them: whether, their value, their assignment.

This file must not import Module, which imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, final

import jax

from gradion.foundation.compat.trace_scope import current_scope
from gradion.foundation.errors import InputError

if TYPE_CHECKING:
    from gradion.module.module import Module
    from gradion.module.parametrizations.parametrization_list import ParametrizationList

__all__ = ["CHILD", "assign", "cached", "find", "is_parametrized", "names", "value_of"]

# The child of a parametrised Module that holds a ParametrizationList a name, as in PyTorch.
CHILD = "parametrizations"


@final
class _Cache:
    """Values that were computed in one transformation, with the leaves they were computed from."""

    def __init__(self) -> None:
        self.scope = current_scope()
        self.entries: dict[int, tuple[ParametrizationList, list[Any], Any]] = {}


_cache: ContextVar[_Cache | None] = ContextVar("parametrization_cache", default=None)


def is_parametrized(module: Module, name: str | None = None) -> bool:
    """Whether the attribute `name`, or with None any attribute, is parametrised."""
    # Asked for each attribute that is missing or plain: the first test settles nearly all.
    if CHILD not in module.__dict__["_modules"]:
        return False
    if name is None:
        return bool(names(module))
    return find(module, name) is not None


def names(module: Module) -> list[str]:
    """Names of the parametrised attributes of this Module itself."""
    holder = module.__dict__["_modules"].get(CHILD)
    if holder is None:
        return []
    return [name for name in holder._modules if find(module, name) is not None]


def find(module: Module, name: str) -> ParametrizationList | None:
    """What an attribute is expressed through, or None."""
    holder = module.__dict__["_modules"].get(CHILD)
    if holder is None:
        return None
    # Not at the top of the file: it is a Module.
    from gradion.module.parametrizations.parametrization_list import ParametrizationList

    found = holder._modules.get(name)
    # A Module of the user may have a child of that name for other ends.
    return found if isinstance(found, ParametrizationList) else None


def value_of(module: Module, name: str) -> Any:
    """The value of a parametrised attribute, computed from its originals."""
    parametrizations = _found(module, name)
    cache = _cache.get()
    # A value from inside a transformation must not be seen outside, nor kept alive.
    if cache is None or cache.scope != current_scope():
        return parametrizations()
    held = cache.entries.get(id(parametrizations))
    if held is not None and _same(held[1], jax.tree_util.tree_leaves(parametrizations)):
        return held[2]
    value = parametrizations()
    # Read afterwards: computing the value may have moved a buffer on.
    leaves = jax.tree_util.tree_leaves(parametrizations)
    cache.entries[id(parametrizations)] = (parametrizations, leaves, value)
    return value


def assign(module: Module, name: str, value: Any) -> None:
    """Set the originals of a parametrised attribute so that it has this value."""
    try:
        _found(module, name).assign(value)
    except InputError as error:
        where = f"{type(module).__name__}.{name}"
        raise InputError(error.what, where=where, mend=error.mend) from None


@contextmanager
def cached() -> Iterator[None]:
    """Within the block a parametrised attribute is computed once and then read from memory.

    A value is computed anew once an array that it depends on was replaced, or in another
    transformation. Blocks may be nested; the outermost one counts.
    """
    cache = _cache.get()
    if cache is not None and cache.scope == current_scope():
        yield
        return
    token = _cache.set(_Cache())
    try:
        yield
    finally:
        _cache.reset(token)


def _found(module: Module, name: str) -> ParametrizationList:
    found = find(module, name)
    if found is None:
        raise ValueError(f"{type(module).__name__}.{name} is not parametrised")
    return found


def _same(before: list[Any], now: list[Any]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
