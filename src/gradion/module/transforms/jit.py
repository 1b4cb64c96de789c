"""Compiled functions of Modules: state goes in by its arrays, and what changes comes back."""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import jax
from jax.extend.core import jaxpr_as_fun

from gradion.foundation.compat.may_fail import may_fail
from gradion.foundation.errors import InputError
from gradion.module.change_counter import CHANGES
from gradion.module.module import Module
from gradion.module.structure import Structure, read_leaves
from gradion.module.transforms.compiled_call import (
    CompiledCall,
    NestedModulesError,
    Program,
    Shortcut,
    run_recipe,
)
from gradion.module.transforms.lifting import Changes, bundle, take_out, unbound

__all__ = ["CompiledFunction", "jit"]

# A Module whose structure is another at every call is compiled at every call.
_MANY_STRUCTURES = 16


def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Iterable[str] = (),
    donate_argnums: int | Sequence[int] = (),
    donate_state: bool = True,
) -> Any:
    """Compile a function of Modules and arrays, as `jax.jit`; also a decorator, with arguments too.

    Modules among the arguments (or in tuples, lists and dicts of them) keep what the function
    writes into them: Parameters, buffers, array attributes, grads, and changes of structure too.
    A Module returned is the one that was passed. `function` may be a Module or a method of one.
    New values never compile again; another structure, shape or dtype does. A Module that is only
    captured is a constant of the compiled code, and writing to it raises TransformError.

    The memory of a state that is written is given to the new one (`donate_state`), unless
    something else still refers to the old arrays, which are then left alone. Other arguments are
    donated by `donate_argnums`, as in JAX.
    """
    if function is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_state=donate_state,
        )
    return CompiledFunction(
        function,
        static_argnums=_numbers(static_argnums),
        static_argnames=(static_argnames,)
        if isinstance(static_argnames, str)
        else tuple(static_argnames),
        donate_argnums=_numbers(donate_argnums),
        donate_state=donate_state,
    )


def _numbers(argnums: int | Sequence[int]) -> tuple[int, ...]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)


@final
class CompiledFunction:
    """What `gradion.jit` returns: call it as the function."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        static_argnums: tuple[int, ...],
        static_argnames: tuple[str, ...],
        donate_argnums: tuple[int, ...],
        donate_state: bool,
    ) -> None:
        self._function, self._owner = unbound(function)
        self._static_argnums, self._static_argnames = _static(
            function, static_argnums, static_argnames
        )
        self._donate_argnums = donate_argnums
        self._donate_state = donate_state
        # For a call like the last one.
        self._quick: Shortcut | None = None
        # Whether Modules stand inside of other arguments: found out by the first call.
        self._nested = False
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._bundle: tuple[tuple[Module, ...], Module] | None = None
        self._lock = threading.RLock()
        # Not the attributes of the function, which may be a Module with attributes of any name.
        functools.update_wrapper(self, function, updated=())

    def __get__(self, instance: Any, _: type | None = None) -> Any:
        """Make a compiled function in a class a method."""
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function; see `jit`."""
        if self._owner:
            args = self._owner + args
        quick = self._quick
        if quick is not None and not kwargs and len(args) == quick.n_args:
            module: Any = args[quick.at]
            if type(module) is quick.cls:
                plan = module._plan
                if (
                    plan is not None
                    and plan.structure is quick.structure
                    and plan.gradless == CHANGES.value
                    and len(module.__dict__) == plan.root_size
                    and (not plan.caching or plan.same_sizes(module))
                ):
                    return quick.run(module, plan, args)
        try:
            call, program = self._prepared(args, kwargs)
            out = call.run(program)
        except NestedModulesError:
            self._nested = True
            call, program = self._prepared(args, kwargs)
            out = call.run(program)
        self._quick = call.shortcut(program)
        return out

    def lower(self, *args: Any, **kwargs: Any) -> jax.stages.Lowered:
        """The program for these arguments, lowered but not compiled, as `jax.jit(...).lower`."""
        args = self._owner + args
        try:
            call, program = self._prepared(args, kwargs)
        except NestedModulesError:
            self._nested = True
            call, program = self._prepared(args, kwargs)
        donated, kept = program.parted(read_leaves(call.plan, call.root))
        return program.compiled.lower(donated, kept, call.grads, *call.args, **call.kwargs)

    def clear_cache(self) -> None:
        """Forget all compiled programs."""
        self._programs.clear()

    def _prepared(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[CompiledCall, Program]:
        call = self._sorted(args, kwargs)
        program = self._programs.get(call.key)
        if program is None:
            with self._lock:
                program = self._traced(call)
        return call, program

    def _sorted(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CompiledCall:
        """Part the arguments into Modules, static ones and the rest."""
        statics: tuple[tuple[int | str, Any], ...] = ()
        if self._static_argnums or self._static_argnames:
            args, kwargs, statics = self._without_static(args, kwargs)
        where: tuple[int | str, ...] = ()
        tops: list[Module]
        if self._nested:
            (args, kwargs), tops = take_out((args, kwargs))
        else:
            at: list[int | str] = [i for i, arg in enumerate(args) if isinstance(arg, Module)]
            tops = [arg for arg in args if isinstance(arg, Module)]
            if tops:
                args = tuple([None if isinstance(arg, Module) else arg for arg in args])
            for name, value in kwargs.items():
                if isinstance(value, Module):
                    at.append(name)
                    tops.append(value)
                    kwargs = {**kwargs, name: None}
            where = tuple(at)
        root = tops[0] if len(tops) == 1 else self._bundled(tuple(tops))
        return CompiledCall(tops, root, args, kwargs, where, statics)

    def _bundled(self, tops: tuple[Module, ...]) -> Module:
        last = self._bundle
        if (
            last is None
            or len(last[0]) != len(tops)
            or any(old is not new for old, new in zip(last[0], tops, strict=True))
        ):
            self._bundle = last = (tops, bundle(tops))
        return last[1]

    def _without_static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], tuple[tuple[int | str, Any], ...]]:
        offset = len(self._owner)
        shown = len(args) - offset
        at = {n % shown + offset for n in self._static_argnums if -shown <= n < shown}
        statics: list[tuple[int | str, Any]] = [(i, args[i]) for i in sorted(at)]
        statics += [(name, kwargs[name]) for name in self._static_argnames if name in kwargs]
        for place, value in statics:
            try:
                hash(value)
            except TypeError:
                raise InputError(
                    f"static argument {place!r} is a {type(value).__name__}, which is not hashable"
                ) from None
        names = {place for place, _ in statics}
        args = tuple([None if i in at else arg for i, arg in enumerate(args)])
        return args, {k: None if k in names else v for k, v in kwargs.items()}, tuple(statics)

    def _traced(self, call: CompiledCall) -> Program:
        """Trace the function once, to learn what it writes, and prepare to compile that trace."""
        if call.key in self._programs:
            return self._programs[call.key]
        leaves = read_leaves(call.plan, call.root)
        run = functools.partial(run_recipe, self._function, call.recipe())
        types: list[Any] = []
        out_tree: Any = None
        changes = Changes()

        def flat(*arguments: Any) -> Any:
            nonlocal types, out_tree, changes
            types = [jax.typeof(leaf) for leaf in jax.tree.leaves(arguments)]
            out, values, changes = run(*arguments)
            flat_out, out_tree = jax.tree.flatten((out, values))
            return flat_out

        _name_after(flat, self._function)
        jaxpr = jax.jit(flat).trace(leaves, call.grads, call.args, call.kwargs).jaxpr
        evaluate = jaxpr_as_fun(jaxpr)

        def evaluated(*arguments: Any) -> tuple[Any, list[Any], Changes]:
            flat_arguments = jax.tree.leaves(arguments)
            if [jax.typeof(leaf) for leaf in flat_arguments] != types:
                return run(*arguments)  # another thread came first, with other shapes
            out, values = jax.tree.unflatten(out_tree, evaluate(*flat_arguments))
            return out, values, changes

        # Code that may fail on its way would leave a Module without its donated arrays.
        donate = self._donate_state and changes.new is None and not may_fail(jaxpr)
        program = Program(changes.slots if donate else (), len(leaves), run)
        program.traced = evaluated
        compiled = functools.partial(program.call)
        _name_after(compiled, self._function)
        first = 3 + len(self._owner)  # donated, kept, grads, the Module of a method
        program.compiled = jax.jit(
            compiled, donate_argnums=(0, *(first + n for n in self._donate_argnums))
        )
        self._programs[call.key] = program
        structures = list(dict.fromkeys(key[0] for key in self._programs))
        if len(structures) % _MANY_STRUCTURES == 0 and structures[-1] is call.key[0]:
            _warn_of_many(self._function, structures)
        return program


def _name_after(wrapper: Any, function: Callable[..., Any]) -> None:
    """Give a function that JAX sees the name that a user knows, for messages and profiles."""
    name = getattr(function, "__name__", type(function).__name__)
    wrapper.__name__ = wrapper.__qualname__ = name


def _static(
    function: Callable[..., Any], argnums: tuple[int, ...], argnames: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static arguments by position and by name: each may be passed either way."""
    if not argnums and not argnames:
        return (), ()
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return argnums, argnames
    by_position = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    count = len(by_position)
    names = dict.fromkeys(argnames)
    names |= dict.fromkeys(by_position[n] for n in argnums if -count <= n < count)
    unknown = [
        name
        for name in argnames
        if name not in {p.name for p in parameters}
        and all(p.kind != p.VAR_KEYWORD for p in parameters)
    ]
    if unknown:
        raise InputError(f"static_argnames: the function has no argument {unknown[0]!r}")
    numbers = dict.fromkeys(n % count if -count <= n < count else n for n in argnums)
    numbers |= dict.fromkeys(by_position.index(name) for name in names if name in by_position)
    return tuple(numbers), tuple(names)


def _warn_of_many(function: Callable[..., Any], structures: Sequence[Structure]) -> None:
    before, now = structures[-2], structures[-1]
    if before.specs[0].cls is not now.specs[0].cls:
        return  # code that serves many kinds of Modules
    differing = [
        f"{spec.cls.__name__}.{name}"
        for spec, old, new in zip(now.specs, before.statics, now.statics, strict=False)
        for name in new
        if old.get(name) is not new[name]
    ]
    what = f"; the last two differ in {', '.join(differing)}" if differing else ""
    warnings.warn(
        f"gradion.jit: {getattr(function, '__name__', function)} has been compiled for "
        f"{len(structures)} structures of its Modules{what}. What changes from call to call "
        "belongs in a buffer or an argument, not in a plain attribute",
        stacklevel=5,
    )
