"""The call of a Module that has hooks, or while there are hooks on all Modules."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, final

from gradion.foundation.compat.trace_scope import NO_TRACE, current_scope
from gradion.module.hooks.backward import BackwardGates
from gradion.module.hooks.handle import HookTable
from gradion.module.hooks.registry import GLOBAL_HOOKS, HookEntry, HookRegistry

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["call_hooked"]


def call_hooked(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `forward` with the hooks around it, in PyTorch's order, global before local.

    Forward pre hooks; the gate of backward hooks on the arguments; forward; forward hooks; the
    gate on the output. Hooks may register and remove hooks: what runs at each of these points
    is what is registered when it is reached, but backward hooks are those there at the start.
    """
    own = module._hooks
    if GLOBAL_HOOKS.compiling:
        _warn_if_captured(module)
        if own is None and not GLOBAL_HOOKS.calls:
            return module.forward(*args, **kwargs)
    if own is None or GLOBAL_HOOKS.calls or own.backward or own.backward_pre:
        return _Call(module, own, args, kwargs).run()
    for entry in own.forward.values():
        if entry.always_call:
            return _Call(module, own, args, kwargs).run()
    # The usual case, made quick: plain hooks of the Module itself.
    if own.forward_pre:
        for entry in tuple(own.forward_pre.values()):
            args, kwargs = _after_pre_hook(entry, module, args, kwargs)
    output = module.forward(*args, **kwargs)
    for entry in tuple(own.forward.values()):
        if entry.with_kwargs:
            changed = entry.hook(module, args, kwargs, output)
        else:
            changed = entry.hook(module, args, output)
        if changed is not None:
            output = changed
    return output


def _warn_if_captured(module: Module) -> None:
    """Warn of a Module with state that a function captures which gradion.jit compiles."""
    if module._scope != NO_TRACE or current_scope() == NO_TRACE:
        return
    if any(True for _ in module.parameters()) or any(True for _ in module.buffers()):
        warnings.warn(
            f"a {type(module).__name__} is called in a function that gradion.jit compiles, but is "
            "no argument of it: its Parameters and buffers are constants of the compiled code, "
            "which does not see later values; pass it as an argument",
            stacklevel=4,
        )


def _after_pre_hook(
    entry: HookEntry, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments as a forward pre hook leaves them."""
    if not entry.with_kwargs:
        new_args = entry.hook(module, args)
        if new_args is None:
            return args, kwargs
        return (new_args if isinstance(new_args, tuple) else (new_args,)), kwargs
    result = entry.hook(module, args, kwargs)
    if result is None:
        return args, kwargs
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"forward pre hook of {type(module).__name__} with kwargs returned {result!r}, "
            "expected None or a tuple (args, kwargs)"
        )
    return result


@final
class _Call:
    """One call: arguments and output as they stand after the hooks so far."""

    __slots__ = ("args", "kwargs", "module", "output", "own", "started")

    def __init__(
        self,
        module: Module,
        own: HookRegistry | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.module = module
        self.own = own
        self.args = args
        self.kwargs = kwargs
        self.output: Any = None
        # The always_call hooks that have been called: none is called twice.
        self.started: set[int] = set()

    def run(self) -> Any:
        try:
            return self._plain_run()
        except Exception:
            self._run_always_call()
            raise

    def _plain_run(self) -> Any:
        gates = None
        if GLOBAL_HOOKS.on_backward or (self.own is not None and self.own.on_backward):
            # Made before the pre hooks run, which may change what is registered, as in PyTorch.
            gates = BackwardGates(self.module, self.own)
        for _, entry in self._hooks(forward_pre=True):
            self.args, self.kwargs = _after_pre_hook(entry, self.module, self.args, self.kwargs)
        if gates is not None:
            self.args = gates.on_inputs(self.args)
        self.output = self.module.forward(*self.args, **self.kwargs)
        for key, entry in self._hooks():
            if entry.always_call:
                self.started.add(key)
            self._run_forward(entry)
        if gates is not None:
            self.output = gates.on_output(self.output)
        return self.output

    def _hooks(self, *, forward_pre: bool = False) -> tuple[tuple[int, HookEntry], ...]:
        """Global and own hooks of one kind as they are now: they may remove themselves."""
        of_all: HookTable = GLOBAL_HOOKS.forward_pre if forward_pre else GLOBAL_HOOKS.forward
        if self.own is None:
            return tuple(of_all.items())
        of_one = self.own.forward_pre if forward_pre else self.own.forward
        return (*of_all.items(), *of_one.items())

    def _run_forward(self, entry: HookEntry) -> None:
        if entry.with_kwargs:
            changed = entry.hook(self.module, self.args, self.kwargs, self.output)
        else:
            changed = entry.hook(self.module, self.args, self.output)
        if changed is not None:
            self.output = changed

    def _run_always_call(self) -> None:
        """Run the always_call hooks that have not run, while an error is travelling."""
        for key, entry in self._hooks():
            if not entry.always_call or key in self.started:
                continue
            try:
                self._run_forward(entry)
            except Exception as error:  # noqa: BLE001  # the error that is travelling goes on
                warnings.warn(
                    f"forward hook of {type(self.module).__name__} with always_call raised "
                    f"{type(error).__name__} ({error}) while another error was raised; that one "
                    "goes on",
                    stacklevel=5,
                )
