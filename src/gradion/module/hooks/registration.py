"""Hooks that run when something is registered with any Module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax

from gradion.module.hooks.handle import HookTable
from gradion.module.hooks.registry import GLOBAL_HOOKS
from gradion.module.parameter import Parameter

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["registered"]


def registered(table: HookTable, owner: Module, name: str, value: Any) -> Any:
    """What to register under `name`: `value`, or what the hooks of `table` put in its place.

    Each is called as `hook(owner, name, value)`; what it returns, if not None, goes on in the
    place of `value`. Raises TypeError for what cannot be registered there: PyTorch takes it and
    fails later.
    """
    for entry in tuple(table.values()):
        result = entry.hook(owner, name, value)
        if result is None:
            continue
        expected, name_of_it = _expected(table)
        if not isinstance(result, expected):
            raise TypeError(
                f"registration hook for {name!r} of {type(owner).__name__} returned "
                f"{type(result).__name__}, expected a {name_of_it} or None"
            )
        value = result
    return value


def _expected(table: HookTable) -> tuple[type, str]:
    """What may be registered through the hooks of a table, and its name."""
    if table is GLOBAL_HOOKS.parameter_registration:
        return Parameter, "Parameter"
    if table is GLOBAL_HOOKS.buffer_registration:
        return jax.Array, "jax.Array"
    from gradion.module.module import Module  # that file imports this one

    return Module, "Module"
