"""Global hooks that run when a Parameter, a buffer or a Module is registered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from module_cases.case import case
from module_cases.parts import empty, names, scale


@contextmanager
def _hooked(register: Any, *hooks: Any) -> Iterator[None]:
    handles = [register(hook) for hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@case
def parameter_hook_sees_every_registration(lib: Any) -> Any:
    module, seen = empty(lib), []

    def hook(owner: Any, name: str, parameter: Any) -> None:
        seen.append([owner is module, name, lib.is_parameter(parameter)])

    with _hooked(lib.globally.register_module_parameter_registration_hook, hook):
        module.a = lib.Parameter([1.0])
        module.register_parameter("b", lib.Parameter([2.0]))
        module.register_parameter("c", None)
        module.a = None
        module.d = lib.array([1.0])
        module.register_buffer("e", lib.array([1.0]))
    module.f = lib.Parameter([3.0])
    return [seen, names(module.named_parameters())]


@case
def parameter_hook_replaces(lib: Any) -> Any:
    module = empty(lib)

    def double(owner: Any, name: str, parameter: Any) -> Any:
        return lib.Parameter([2.0 * x for x in lib.value(parameter)])

    with _hooked(lib.globally.register_module_parameter_registration_hook, double, double):
        module.a = lib.Parameter([1.0, 3.0])
    return module.a


@case
def parameter_hook_that_fails_registers_nothing(lib: Any) -> Any:
    module = empty(lib)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with _hooked(lib.globally.register_module_parameter_registration_hook, fail):
        found = lib.attempt(setattr, module, "a", lib.Parameter([1.0]))
    return [found, names(module.named_parameters())]


@case
def buffer_hook_sees_every_registration(lib: Any) -> Any:
    module, seen = empty(lib), []

    def hook(owner: Any, name: str, array: Any) -> None:
        seen.append([owner is module, name, lib.plain(array)])

    with _hooked(lib.globally.register_module_buffer_registration_hook, hook):
        module.register_buffer("a", lib.array([1.0]))
        module.register_buffer("b", None)
        module.a = lib.array([2.0])
        module.a = None
        module.c = lib.Buffer(lib.array([3.0]))
        module.d = lib.array([4.0])
        module.e = lib.Parameter([5.0])
    return [seen, names(module.named_buffers())]


@case
def buffer_hook_replaces(lib: Any) -> Any:
    module = empty(lib)

    def double(owner: Any, name: str, array: Any) -> Any:
        return array * 2.0

    with _hooked(lib.globally.register_module_buffer_registration_hook, double):
        module.register_buffer("a", lib.array([1.0, 3.0]))
        module.b = lib.Buffer(lib.array([5.0]), persistent=False)
        first = [lib.value(module.a), lib.value(module.b)]
        module.a = lib.array([7.0])
    return [first, module.a, list(module.state_dict())]


@case
def module_hook_sees_every_registration(lib: Any) -> Any:
    module, seen = empty(lib), []

    def hook(owner: Any, name: str, child: Any) -> None:
        seen.append([owner is module, name, type(child).__name__])

    with _hooked(lib.globally.register_module_module_registration_hook, hook):
        module.a = scale(lib)
        module.add_module("b", scale(lib))
        module.register_module("c", None)
        module.a = None
        module.d = lib.Parameter([1.0])
    return [seen, names(module.named_children())]


@case
def module_hook_replaces(lib: Any) -> Any:
    module = empty(lib)

    def wrap(owner: Any, name: str, child: Any) -> Any:
        return scale(lib, 9.0) if owner is module else None

    with _hooked(lib.globally.register_module_module_registration_hook, wrap):
        module.a = scale(lib, 2.0)
        module.add_module("b", scale(lib, 3.0))
    return [module.a.weight, module.b.weight]


@case
def module_hook_runs_for_containers(lib: Any) -> Any:
    seen: list[str] = []
    with _hooked(
        lib.globally.register_module_module_registration_hook,
        lambda owner, name, child: seen.append(f"{type(owner).__name__}.{name}"),
    ):
        parts = lib.ModuleList([scale(lib), scale(lib)])
        parts.append(scale(lib))
        lib.Sequential(scale(lib))
        lib.ModuleDict({"x": scale(lib)})
    return seen


@case
def parameter_hook_runs_at_replacement_and_after_others(lib: Any) -> Any:
    module, log = scale(lib), []
    first = lib.globally.register_module_parameter_registration_hook(lambda *_: log.append("first"))
    with first:
        second = lib.globally.register_module_parameter_registration_hook(
            lambda *_: log.append("second")
        )
        with second:
            module.weight = lib.Parameter(3.0)
        module.weight = lib.Parameter(4.0)
    module.weight = lib.Parameter(5.0)
    return [log, module.weight]
