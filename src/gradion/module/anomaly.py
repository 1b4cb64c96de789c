"""Finds the first Module whose output or gradient is not finite."""

from __future__ import annotations

import functools
import itertools
from typing import Any, Final, NamedTuple, Self, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.compat.trace_scope import NO_TRACE, current_scope
from gradion.module.hooks.handle import RemovableHandle
from gradion.module.hooks.registry import HookEntry, HookRegistry
from gradion.module.module import Module

__all__ = ["AnomalyDetection", "detect_anomaly"]


def detect_anomaly(module: Module, *, gradients: bool = True) -> AnomalyDetection:
    """Context manager that raises FloatingPointError where numbers cease to be finite.

    The error names the first Module, in the order in which they ran, whose output holds a NaN
    or an infinity, or with `gradients` whose output's gradient does: its path below `module`,
    its class, which output, how many. A child comes before its parent. Where the numbers are
    at hand it raises in the call that made them; from compiled code it raises at the end of the
    `with` block, after waiting for what runs. If the block stands within a function that is
    compiled, the compiled code raises, as jax.errors.JaxRuntimeError with the same text.

    Only calls inside the block are watched, and only code that is compiled inside it: code
    compiled before holds no checks. With `gradients` each Module has a backward hook, so that
    forward-mode derivatives raise; pass `gradients=False` for those.
    """
    return AnomalyDetection(module, gradients=gradients)


@final
class _Place(NamedTuple):
    """One check of one output; made anew each time that a hook runs on traced values."""

    what: str
    group: int
    number: int
    rounds: itertools.count


@final
class _Failure(NamedTuple):
    group: int
    round: int
    number: int
    message: str


@final
class AnomalyDetection:
    """What `detect_anomaly` returns: hooks on a Module and all below it, for a `with` block."""

    def __init__(self, module: Module, *, gradients: bool = True) -> None:
        self._module = module
        self._gradients = gradients
        self._handles: list[RemovableHandle] = []
        self._failures: list[_Failure] = []
        self._numbers = itertools.count()
        # Transformations seen so far: checks in one of them run in the order of their tracing.
        self._scopes: list[Any] = []
        # Whether a hook runs now: a callback that comes then is not from compiled code.
        self._in_hook = False
        self._at_once: str | None = None
        # Whether the block stands within a function that is being traced.
        self._in_trace = False

    def __enter__(self) -> Self:
        self._in_trace = current_scope() != NO_TRACE
        for path, module in self._module.named_modules():
            name = f"{path!r} ({type(module).__name__})" if path else type(module).__name__
            # Not through register_...: hooks for a block are no write that a transformation
            # could lose, so they may be put on a Module that is read-only there.
            hooks = module._hooks
            if hooks is None:
                hooks = module.__dict__["_hooks"] = HookRegistry(module)
            on_output = HookEntry(functools.partial(self._on_output, name))
            self._handles.append(RemovableHandle(hooks.forward, on_output))
            if self._gradients:
                on_gradient = HookEntry(functools.partial(self._on_gradient, name))
                self._handles.append(RemovableHandle(hooks.backward_pre, on_gradient))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if kind is not None or self._in_trace:
            return
        jax.effects_barrier()
        failures, self._failures = self._failures, []
        if failures:
            raise FloatingPointError(_first(failures).message)

    def _on_output(self, name: str, _module: Module, _args: Any, output: Any) -> None:
        for path, leaf in jax.tree_util.tree_leaves_with_path(output):
            self._check(leaf, f"{name}: output{jax.tree_util.keystr(path)}")

    def _on_gradient(self, name: str, _module: Module, grad_output: tuple[Any, ...]) -> None:
        for index, leaf in enumerate(grad_output):
            which = f" {index}" if len(grad_output) > 1 else ""
            self._check(leaf, f"{name}: gradient of output{which}")

    def _check(self, leaf: Any, what: str) -> None:
        if not isinstance(leaf, (jax.Array, np.ndarray, np.generic)):
            return
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return
        if not isinstance(leaf, jax.core.Tracer):
            message = _message(what, *_counts(leaf))
            if message is not None:
                raise FloatingPointError(message)
            return
        place = _Place(what, self._group(), next(self._numbers), itertools.count())
        counts = _counts(leaf)
        self._in_hook = True
        try:
            jax.debug.callback(functools.partial(self._arrived, place), *counts)
        finally:
            self._in_hook = False
        if self._at_once is not None:
            # Raised here and not in the callback, whose errors JAX prints as well.
            message, self._at_once = self._at_once, None
            raise FloatingPointError(message)

    def _group(self) -> int:
        scope = current_scope()
        for index, known in enumerate(self._scopes):
            if known == scope:
                return index
        self._scopes.append(scope)
        return len(self._scopes) - 1

    def _arrived(self, place: _Place, nans: Any, infinities: Any) -> None:
        # Called for finite numbers too: so the rounds of all places of one code go together.
        round_ = next(place.rounds)
        message = _message(place.what, nans, infinities)
        if message is None:
            return
        if self._in_hook:
            self._at_once = message
            return
        if self._in_trace:
            raise FloatingPointError(message)
        self._failures.append(_Failure(place.group, round_, place.number, message))


_WHAT_TO_DO: Final = "look at this Module's arguments and Parameters"


def _counts(array: Any) -> tuple[jax.Array, jax.Array]:
    """How many NaN and how many infinities."""
    return jnp.isnan(array).sum(), jnp.isinf(array).sum()


def _message(what: str, nans: Any, infinities: Any) -> str | None:
    """The error's text, or None if there is nothing to tell."""
    if not (nans or infinities):
        return None
    return (
        f"{what} is not finite: {int(nans)} NaN, {int(infinities)} infinite; it is the first in "
        f"order of execution, so {_WHAT_TO_DO}"
    )


def _first(failures: list[_Failure]) -> _Failure:
    """The first in order of execution.

    Callbacks of one compiled code may come in any order within one run of it: there the order
    of tracing decides.
    """
    group = failures[0].group
    return min(failure for failure in failures if failure.group == group)
