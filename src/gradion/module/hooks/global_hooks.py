"""Hooks on all Modules: they run for each, before the hooks of that one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradion.module.hooks.handle import HookTable, RemovableHandle
from gradion.module.hooks.registry import GLOBAL_HOOKS, HookEntry

__all__ = [
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_Hook = Callable[..., Any]


def register_module_forward_pre_hook(hook: _Hook) -> RemovableHandle:
    """Run `hook(module, args)` before any Module's `forward`; it may return new args."""
    return _add(GLOBAL_HOOKS.forward_pre, HookEntry(hook))


def register_module_forward_hook(
    hook: _Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Run `hook(module, args, output)` after any Module's `forward`; it may return a new output.

    Options are those of `Module.register_forward_hook`.
    """
    entry = HookEntry(hook, with_kwargs=with_kwargs, always_call=always_call)
    return _add(GLOBAL_HOOKS.forward, entry)


def register_module_full_backward_pre_hook(hook: _Hook) -> RemovableHandle:
    """Run `hook(module, grad_output)` for any Module, as `Module.register_full_backward_pre_hook`.

    While it is registered forward-mode derivatives through any Module raise.
    """
    return _add(GLOBAL_HOOKS.backward_pre, HookEntry(hook))


def register_module_full_backward_hook(hook: _Hook) -> RemovableHandle:
    """Run `hook(module, grad_input, grad_output)` for any Module.

    As `Module.register_full_backward_hook`; while it is registered forward-mode derivatives
    through any Module raise.
    """
    return _add(GLOBAL_HOOKS.backward, HookEntry(hook))


def register_module_parameter_registration_hook(hook: _Hook) -> RemovableHandle:
    """Run `hook(module, name, parameter)` where a Parameter is registered.

    It may return another Parameter, which is registered in its place.
    """
    return _add(GLOBAL_HOOKS.parameter_registration, HookEntry(hook))


def register_module_buffer_registration_hook(hook: _Hook) -> RemovableHandle:
    """Run `hook(module, name, array)` where a buffer is registered or assigned.

    It may return another array, which is registered in its place. The array may be None.
    """
    return _add(GLOBAL_HOOKS.buffer_registration, HookEntry(hook))


def register_module_module_registration_hook(hook: _Hook) -> RemovableHandle:
    """Run `hook(module, name, child)` where a child Module is registered.

    It may return another Module, which is registered in its place. The child may be None.
    """
    return _add(GLOBAL_HOOKS.module_registration, HookEntry(hook))


def _add(table: HookTable, entry: HookEntry) -> RemovableHandle:
    return RemovableHandle(table, entry)
