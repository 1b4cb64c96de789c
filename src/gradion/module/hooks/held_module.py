"""What a backward hook is called with, kept from the forward pass without keeping its arrays."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from gradion.foundation.errors import InputError
from gradion.module.hooks.registry import HookEntry
from gradion.module.structure import Structure, rebuild, structure_of

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["HeldHook", "HeldModule"]


@final
class HeldModule:
    """A Module, or once that is gone a stand-in for it.

    JAX keeps the parameters of primitives in its caches. A Module among them would be kept, too,
    and in a transformation that is a copy around tracers, or around the arrays of one step. So
    it is held weakly. The stand-in has its classes, names, static attributes and hooks; its
    arrays raise on use, and a write raises TransformError.
    """

    __slots__ = ("_stand_in", "_strong", "_structure", "_weak", "class_name")

    def __init__(self, module: Module) -> None:
        self.class_name = type(module).__name__
        self._weak = weakref.ref(module)
        self._strong: Module | None = None
        self._structure: Structure | None = None
        self._stand_in: Any = None

    def hold(self) -> None:
        """Keep what a stand-in needs; the Module is still there."""
        module = self._weak()
        if module is None:
            return
        try:
            self._structure = structure_of(module)
        except (TypeError, InputError):
            # Static attributes that are not hashable, or a Parameter without a shape: such a
            # Module is no copy that JAX made, and it cannot be rebuilt.
            self._strong = module

    def get(self) -> Any:
        """The Module itself if it is alive."""
        module = self._weak()
        if module is not None:
            return module
        if self._stand_in is None and self._structure is not None:
            leaves = [_PAST] * len(self._structure.leaf_names)
            self._stand_in = rebuild(self._structure, leaves, scope=_PAST)
        return self._stand_in


@final
class HeldHook:
    """A hook; for the method of a Module the function, and the Module as by `HeldModule`."""

    __slots__ = ("_hook", "_owner", "name")

    def __init__(self, kind: str, entry: HookEntry, called: HeldModule) -> None:
        from gradion.module.module import Module  # that file imports this one

        hook = entry.hook
        named = hook
        while isinstance(named, functools.partial):
            named = named.func
        # A callable object has no name of its own.
        self.name = f"{kind} {getattr(named, '__qualname__', type(named).__qualname__)}"
        self._hook: Callable[..., Any] = hook
        self._owner: HeldModule | None = None
        if inspect.ismethod(hook) and isinstance(hook.__self__, Module):
            self._hook = hook.__func__
            same = hook.__self__ is called.get()
            self._owner = called if same else HeldModule(hook.__self__)

    def hold(self) -> None:
        """Keep what a stand-in of the method's Module needs."""
        if self._owner is not None:
            self._owner.hold()

    def get(self) -> Callable[..., Any]:
        """The hook to call."""
        if self._owner is None:
            return self._hook
        return self._hook.__get__(self._owner.get())


@final
class _ArrayOfPastForward:
    """Stands for an array of a stand-in; also the scope of one, which equals no other."""

    def __repr__(self) -> str:
        return "<array of a forward pass that is over>"

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)  # JAX and Python look for protocols by these
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RuntimeError(
            "an array of a Module was used in a backward hook, but it belonged to a forward pass "
            "that is over; take what the hook needs from grad_input and grad_output, or keep it "
            "outside of the Module"
        )


_PAST: Final = _ArrayOfPastForward()
