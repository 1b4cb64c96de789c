"""Where hooks are kept: those of one Module, and those of all Modules."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

from gradion.module.change_counter import CHANGES
from gradion.module.hooks.handle import HookTable

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["CALL_TABLES", "GLOBAL_HOOKS", "GlobalHooks", "HookEntry", "HookRegistry"]

# Tables of hooks that run when a Module is called: they are part of compiled code.
CALL_TABLES: Final = ("forward_pre", "forward", "backward_pre", "backward")
_STATE_TABLES: Final = ("state_dict_pre", "state_dict_post", "load_pre", "load_post")


@final
@dataclass(frozen=True, eq=False)
class HookEntry:
    """A hook and how it is called; compared by identity."""

    hook: Any  # not Callable: a type checker would take it for a method
    with_kwargs: bool = False
    always_call: bool = False
    _unbound: HookEntry | None = None

    @property
    def unbound(self) -> HookEntry:
        """This entry, or for a method of a Module one that is the same for all of its copies."""
        return self._unbound if self._unbound is not None else self

    def bound_to(self, owner: Module) -> HookEntry:
        """For a method of a Module: the entry of the same method of a copy of that Module."""
        hook = self.unbound.hook.__func__.__get__(owner)
        return HookEntry(hook, self.with_kwargs, self.always_call, self.unbound)


@final
class HookRegistry:
    """All hooks of one Module. A Module without hooks has none of these."""

    __slots__ = (
        "__weakref__",
        "_owner",
        "backward",
        "backward_pre",
        "forward",
        "forward_pre",
        "load_post",
        "load_pre",
        "state_dict_post",
        "state_dict_pre",
    )

    forward_pre: HookTable
    forward: HookTable
    backward_pre: HookTable
    backward: HookTable
    state_dict_pre: HookTable
    state_dict_post: HookTable
    load_pre: HookTable
    load_post: HookTable

    def __init__(self, owner: Module) -> None:
        self._owner = weakref.ref(owner)
        me = weakref.ref(self)

        def changed() -> None:
            registry = me()
            if registry is not None:
                registry._changed()

        for name in (*CALL_TABLES, *_STATE_TABLES):
            setattr(self, name, HookTable(changed, functools.partial(_of_copy, self._owner, name)))

    def _changed(self) -> None:
        owner = self._owner()
        if owner is None:
            return
        state = owner.__dict__
        state["_stamp"] += 1
        CHANGES.note()
        if state["_hooks"] is self and not any(
            getattr(self, name) for name in (*CALL_TABLES, *_STATE_TABLES)
        ):
            # A call then costs what it costs without hooks.
            state["_hooks"] = None

    def entries(self) -> tuple[tuple[str, int, HookEntry], ...]:
        """Table name, id and entry of every hook, in order."""
        return tuple(
            (name, key, entry)
            for name in (*CALL_TABLES, *_STATE_TABLES)
            for key, entry in getattr(self, name).items()
        )

    @property
    def on_backward(self) -> bool:
        """Whether a backward or backward-pre hook is registered."""
        return bool(self.backward or self.backward_pre)

    def clear(self) -> None:
        """Remove all hooks, with no note of a change."""
        for name in (*CALL_TABLES, *_STATE_TABLES):
            getattr(self, name).clear()

    def filled(self, entries: Iterable[tuple[str, int, HookEntry]]) -> Self:
        """Take over hooks of another registry, as they are; returns this registry."""
        for name, key, entry in entries:
            # Not through a handle: for a copy of a Module nothing has changed.
            getattr(self, name)[key] = entry
        return self


def _of_copy(
    owner: weakref.ref[Module], name: str, memo: dict[int, Any]
) -> Callable[[], HookTable | None]:
    """Finds the table of that name of the copy of a Module, once that is complete."""
    original = owner()
    copy = None if original is None else memo.get(id(original))
    if copy is None:
        return _nowhere
    reference = weakref.ref(copy)

    def find() -> HookTable | None:
        module = reference()
        return None if module is None or module._hooks is None else getattr(module._hooks, name)

    return find


def _nowhere() -> None:
    return None


@final
class GlobalHooks:
    """Hooks that run for every Module, before its own."""

    __slots__ = (
        "_lock",
        "backward",
        "backward_pre",
        "buffer_registration",
        "calls",
        "compiling",
        "forward",
        "forward_pre",
        "module_registration",
        "parameter_registration",
        "watched",
    )

    def __init__(self) -> None:
        # Whether any hook is there that runs when a Module is called.
        self.calls = False
        # How many functions of gradion.jit are being traced: calls are then looked at.
        self.compiling = 0
        # Whether a call has to ask at all: one question for each call of each Module.
        self.watched = False
        self._lock = threading.Lock()
        self.forward_pre = self._table()
        self.forward = self._table()
        self.backward_pre = self._table()
        self.backward = self._table()
        self.buffer_registration = self._table()
        self.module_registration = self._table()
        self.parameter_registration = self._table()

    def _table(self) -> HookTable:
        # There is one set of global hooks: a copy of a handle removes from the same table.
        table = HookTable(self._changed, lambda _: lambda: table)
        return table

    def _changed(self) -> None:
        self.calls = any(getattr(self, name) for name in CALL_TABLES)
        self.watched = self.calls or self.compiling > 0
        CHANGES.note()

    @contextmanager
    def while_compiling(self) -> Iterator[None]:
        """Look at the calls of Modules for those that the compiled function only captured."""
        with self._lock:
            self.compiling += 1
            self.watched = True
        try:
            yield
        finally:
            with self._lock:
                self.compiling -= 1
                self.watched = self.calls or self.compiling > 0

    @property
    def on_backward(self) -> bool:
        """Whether a backward or backward-pre hook is registered."""
        return bool(self.backward or self.backward_pre)

    def key(self) -> Hashable:
        """A key of the hooks that run in calls: compiled code holds them."""
        if not self.calls:
            return ()
        return tuple(
            (name, key, entry) for name in CALL_TABLES for key, entry in getattr(self, name).items()
        )


GLOBAL_HOOKS: Final = GlobalHooks()
