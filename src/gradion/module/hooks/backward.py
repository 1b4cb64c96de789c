"""Backward hooks of one call of a Module, as gates around its inputs and its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp

from gradion.foundation.compat.reverse_gate import DEAD_TOKEN, AbstractGateRule, gate
from gradion.module.hooks.held_module import HeldHook, HeldModule
from gradion.module.hooks.registry import GLOBAL_HOOKS, HookEntry, HookRegistry

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["BackwardGates"]

# One entry for each argument or output: an array, or None where there is no gradient.
_Gradients = tuple[Any, ...]


@final
class BackwardGates:
    """The gates of one call: the hooks registered now are those that will run.

    The rule of the output's gate runs first in the backward pass. It runs the pre hooks and
    leaves grad_output for the rule of the inputs' gate, which runs the full hooks; where no
    derivative is taken with respect to an input, there is no such gate in the backward pass,
    and the first rule runs the full hooks itself.
    """

    __slots__ = ("_hooks", "_record", "_token")

    def __init__(self, module: Module, own: HookRegistry | None) -> None:
        self._hooks = _Hooks(module, own)
        self._record = _Record()
        self._token: Any = DEAD_TOKEN

    def on_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those that are arrays of floating or complex dtype through a gate."""
        places = tuple(i for i, arg in enumerate(args) if _has_gradient(arg))
        self._hooks.n_inputs = len(args)
        if not places:
            return args
        # Under vmap these are the shapes of one example, as its arrays are when hooks run.
        avals = tuple((jnp.shape(args[i]), args[i].dtype) for i in places)
        rule = _InputRule(self._hooks, self._record, places, avals)
        arrays, self._token = gate([args[i] for i in places], DEAD_TOKEN, rule)
        new = list(args)
        for place, array in zip(places, arrays, strict=True):
            new[place] = array
        return tuple(new)

    def on_output(self, output: Any) -> Any:
        """The output, its arrays of floating or complex dtype through a gate."""
        from gradion.module.module import Module  # that file imports this one

        leaves, tree = jax.tree.flatten(
            output, is_leaf=lambda x: x is None or isinstance(x, Module)
        )
        places = tuple(i for i, leaf in enumerate(leaves) if _has_gradient(leaf))
        if not places:
            return output
        # Not before forward: a lazy Module may be below, which has no structure until it is run.
        self._hooks.hold()
        rule = _OutputRule(self._hooks, self._record, places, len(leaves))
        arrays, _ = gate([leaves[i] for i in places], self._token, rule)
        for place, array in zip(places, arrays, strict=True):
            leaves[place] = array
        return jax.tree.unflatten(tree, leaves)


@final
class _Record:
    """grad_output on its way from the rule of the output to that of the inputs."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: _Gradients | None = None

    def put(self, grad_output: _Gradients, axes: tuple[bool, ...]) -> None:
        # Mapped axes that the inputs have too come first: the other rule maps over those.
        shared = [i for i, also in enumerate(axes) if also]
        front = list(range(len(shared)))
        self._kept = tuple(g if g is None else jnp.moveaxis(g, shared, front) for g in grad_output)

    def take(self) -> _Gradients | None:
        """What was put, once: it may hold tracers of the pass that is running."""
        kept, self._kept = self._kept, None
        return kept


@final
class _Hooks:
    """The backward hooks of one call, in the order in which they run, and how to run them."""

    __slots__ = ("_full", "_module", "_pre", "n_inputs")

    def __init__(self, module: Module, own: HookRegistry | None) -> None:
        self._module = HeldModule(module)
        self.n_inputs = 0
        pre: list[HookEntry] = [*GLOBAL_HOOKS.backward_pre.values()]
        full: list[HookEntry] = [*GLOBAL_HOOKS.backward.values()]
        if own is not None:
            pre += own.backward_pre.values()
            full += own.backward.values()
        self._pre = tuple(HeldHook("backward pre hook", entry, self._module) for entry in pre)
        self._full = tuple(HeldHook("backward hook", entry, self._module) for entry in full)

    def hold(self) -> None:
        """Keep what the hooks need until the backward pass."""
        self._module.hold()
        for hook in (*self._pre, *self._full):
            hook.hold()

    def run_pre(self, grad_output: _Gradients) -> _Gradients:
        expected = grad_output
        module = self._module.get() if self._pre else None
        for hook in self._pre:
            result = hook.get()(module, grad_output)
            if result is not None:
                grad_output = self._checked(hook, "grad_output", result, expected)
        return grad_output

    def run_full(self, grad_input: _Gradients, grad_output: _Gradients) -> _Gradients:
        expected = grad_input
        dead = all(g is None for g in expected)
        module = self._module.get() if self._full else None
        for hook in self._full:
            result = hook.get()(module, grad_input, grad_output)
            if result is None:
                continue
            if not dead:
                grad_input = self._checked(hook, "grad_input", result, expected)
            elif any(g is not None for g in _as_tuple(result)):
                raise RuntimeError(
                    f"{self._name(hook)} returned a grad_input, but no derivative is taken with "
                    "respect to an input; return None there"
                )
        return grad_input

    def _checked(self, hook: HeldHook, what: str, result: Any, expected: _Gradients) -> _Gradients:
        """What a hook returned, as a tuple that fits; an entry without a gradient stays None."""
        found = _as_tuple(result)
        if len(found) != len(expected):
            raise RuntimeError(
                f"{self._name(hook)} returned {len(found)} gradients, expected {len(expected)} "
                f"as in its {what}"
            )
        return tuple(
            new if new is None or old is None else self._fitting(hook, f"{what}[{i}]", new, old)
            for i, (new, old) in enumerate(zip(found, expected, strict=True))
        )

    def _fitting(self, hook: HeldHook, what: str, new: Any, old: Any) -> Any:
        if not isinstance(new, jax.Array):
            raise TypeError(
                f"{self._name(hook)} returned {type(new).__name__} as {what}, expected a jax.Array"
                f" of shape {old.shape} and dtype {old.dtype}, or None"
            )
        if new.shape != old.shape or new.dtype != old.dtype:
            raise RuntimeError(
                f"{self._name(hook)} returned {what} of shape {new.shape} and dtype {new.dtype}, "
                f"expected shape {old.shape} and dtype {old.dtype} of the gradient it was given"
            )
        return new

    def _name(self, hook: HeldHook) -> str:
        return f"{hook.name} of {self._module.class_name}"

    def forward_mode_error(self) -> Exception:
        names = ", ".join(hook.name for hook in (*self._pre, *self._full))
        return TypeError(
            f"forward-mode derivative (jvp, jacfwd, linearize) of {self._module.class_name}, which "
            f"has the {names}: such a hook sees gradients, which reverse mode alone has; "
            "remove the hook by its handle, or use grad, vjp or jacrev"
        )


@final
class _OutputRule(AbstractGateRule):
    """Runs the pre hooks on grad_output."""

    __slots__ = ("_hooks", "_n_leaves", "_places", "_record")

    def __init__(
        self, hooks: _Hooks, record: _Record, places: tuple[int, ...], n_leaves: int
    ) -> None:
        self._hooks = hooks
        self._record = record
        self._places = places
        self._n_leaves = n_leaves

    def pull(
        self,
        cotangents: Sequence[jax.Array],
        *,
        live: tuple[bool, ...],
        flows: bool,
        token_live: bool,
        axes: tuple[bool, ...],
    ) -> Sequence[jax.Array]:
        if not flows:
            return cotangents
        places = _live_places(self._places, live)

        def on_example(arrays: list[jax.Array]) -> _Gradients:
            grad_output = self._hooks.run_pre(_spread(arrays, places, self._n_leaves))
            if not token_live:
                self._hooks.run_full((None,) * self._hooks.n_inputs, grad_output)
            return grad_output

        grad_output = _mapped(on_example, len(axes))(list(cotangents))
        if token_live:
            self._record.put(grad_output, axes)
        return _gathered(grad_output, places, cotangents)

    def forward_mode_error(self) -> Exception:
        return self._hooks.forward_mode_error()


@final
class _InputRule(AbstractGateRule):
    """Runs the full hooks on grad_input and the grad_output that the other rule left."""

    __slots__ = ("_avals", "_hooks", "_places", "_record")

    def __init__(
        self,
        hooks: _Hooks,
        record: _Record,
        places: tuple[int, ...],
        avals: tuple[tuple[tuple[int, ...], Any], ...],
    ) -> None:
        self._hooks = hooks
        self._record = record
        self._places = places
        self._avals = avals

    def pull(
        self,
        cotangents: Sequence[jax.Array],
        *,
        live: tuple[bool, ...],
        flows: bool,
        token_live: bool,
        axes: tuple[bool, ...],
    ) -> Sequence[jax.Array]:
        grad_output = self._record.take()
        # Without grad_output the gradient came by another way than through the output, as by an
        # array that forward kept: PyTorch runs no hook then.
        if not flows or grad_output is None:
            return cotangents
        places = _live_places(self._places, live)

        def on_example(arrays: list[jax.Array], grad_output: _Gradients) -> _Gradients:
            grad_input = list(_spread(arrays, places, self._hooks.n_inputs))
            for place, (shape, dtype) in zip(self._places, self._avals, strict=True):
                if grad_input[place] is None:
                    # As in PyTorch: beside an input that has a gradient, one without has zeros.
                    grad_input[place] = jnp.zeros(shape, dtype)
            return self._hooks.run_full(tuple(grad_input), grad_output)

        grad_input = _mapped(on_example, len(axes))(list(cotangents), grad_output)
        return _gathered(grad_input, places, cotangents)

    def forward_mode_error(self) -> Exception:
        return self._hooks.forward_mode_error()


def _has_gradient(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.inexact)


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _live_places(places: tuple[int, ...], live: tuple[bool, ...]) -> tuple[int, ...]:
    return tuple(place for place, alive in zip(places, live, strict=True) if alive)


def _spread(arrays: Sequence[jax.Array], places: tuple[int, ...], length: int) -> _Gradients:
    """Arrays at their places among Nones."""
    all_of: list[Any] = [None] * length
    for place, array in zip(places, arrays, strict=True):
        all_of[place] = array
    return tuple(all_of)


def _gathered(
    gradients: _Gradients, places: tuple[int, ...], given: Sequence[jax.Array]
) -> list[jax.Array]:
    """Gradients at `places`; None from a hook is no gradient: zeros like what it was given."""
    return [
        jnp.zeros_like(old) if gradients[place] is None else gradients[place]
        for place, old in zip(places, given, strict=True)
    ]


def _mapped(function: Callable[..., _Gradients], times: int) -> Callable[..., _Gradients]:
    """`function` on the arrays of one example, for each of them along the leading axes."""
    for _ in range(times):
        function = jax.vmap(function)
    return function
