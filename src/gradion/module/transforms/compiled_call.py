"""One call of a compiled function: what goes into the compiled code, and what comes out of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import starmap
from operator import itemgetter
from sys import getrefcount
from typing import Any, NamedTuple, final

import jax

from gradion.module.change_counter import CHANGES
from gradion.module.hooks.registry import GLOBAL_HOOKS
from gradion.module.module import Module
from gradion.module.structure import Plan, Structure, plan_of, read_leaves, write_leaves
from gradion.module.transforms.lifting import (
    Changes,
    is_module,
    members,
    put_back,
    put_in,
    run_on_copies,
)
from gradion.module.transforms.sole_owner import ONE_OWNER, copy_if_shared

__all__ = ["CompiledCall", "NestedModulesError", "Program", "Recipe", "Shortcut", "run_recipe"]


@final
class NestedModulesError(Exception):
    """An argument that is no Module holds one: arguments must be searched on each call."""


@final
class Program:
    """The compiled code for Modules of one structure, standing at given places."""

    def __init__(self, written: Sequence[int], n_leaves: int, run: Callable[..., Any]) -> None:
        self.written = tuple(written)
        of_written = set(self.written)
        self.kept = tuple(i for i in range(n_leaves) if i not in of_written)
        # What a call does to its Modules, by a number that stands in the result of the compiled
        # code: it may be another for arguments of other shapes.
        self.changes: list[Changes] = []
        self._run = run
        # The trace that the first compilation uses up.
        self.traced: Callable[..., Any] | None = None
        self.compiled: Any = None

    def parted(self, leaves: list[Any]) -> tuple[list[Any], list[Any]]:
        """Leaves to be donated, and the others."""
        if not self.kept:
            return leaves, []
        return _at(self.written, leaves), _at(self.kept, leaves)

    def call(
        self, donated: Sequence[Any], kept: Sequence[Any], grads: Any, /, *args: Any, **kwargs: Any
    ) -> tuple[Any, dict[int, list[Any]]]:
        """What is compiled: the function's result, and new values under the number of `changes`.

        Plain tuples and dicts, which JAX puts together without running Python.
        """
        leaves: list[Any] = [None] * (len(donated) + len(kept))
        for slots, parts in ((self.written, donated), (self.kept, kept)):
            for slot, value in zip(slots, parts, strict=True):
                leaves[slot] = value
        run, self.traced = self.traced or self._run, None
        out, values, changes = run(leaves, grads, args, kwargs)
        if changes.new is None:
            # For other shapes the function may leave alone what was donated: it goes back.
            n_written = len(changes.slots)
            new = dict(zip(changes.slots, values[:n_written], strict=True))
            slots = tuple(sorted(new.keys() | set(self.written)))
            values[:n_written] = [new.get(slot, leaves[slot]) for slot in slots]
            changes = replace(changes, slots=slots)
        if changes not in self.changes:
            self.changes.append(changes)
        return out, {self.changes.index(changes): values}


def _at(slots: Sequence[int], leaves: list[Any]) -> list[Any]:
    # Without a loop in Python: trees may have thousands of leaves.
    return list(itemgetter(*slots)(leaves)) if len(slots) > 1 else [leaves[i] for i in slots]


@final
class Recipe(NamedTuple):
    """How the arguments of a call are put together around copies of its Modules."""

    structure: Structure
    n_tops: int
    where: tuple[int | str, ...]
    statics: tuple[tuple[int | str, Any], ...]
    grads_at: tuple[int, ...]


@final
class CompiledCall:
    """The parts of one call."""

    __slots__ = ("args", "grads", "key", "kwargs", "plan", "root", "tops")

    def __init__(
        self,
        tops: list[Module],
        root: Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        where: tuple[int | str, ...],
        statics: tuple[tuple[int | str, Any], ...],
    ) -> None:
        self.tops = tops
        self.root = root
        self.args = args
        self.kwargs = kwargs
        self.plan = plan = plan_of(root)
        with_grad = [p for p in plan.parameters if p._grad is not None]
        self.grads = tuple([p._grad for p in with_grad])
        grads_at: tuple[int, ...] = ()
        if with_grad:
            grads_at = tuple([i for i, p in enumerate(plan.parameters) if p._grad is not None])
        self.key = (plan.structure, where, statics, grads_at, len(tops))

    def recipe(self) -> Recipe:
        """What of the call is part of the compiled code."""
        structure, where, statics, grads_at, n_tops = self.key
        return Recipe(structure, n_tops, where, statics, grads_at)

    def run(self, program: Program) -> Any:
        """Run the compiled code and put back what it changed."""
        donated, kept = program.parted(read_leaves(self.plan, self.root))
        if donated:
            copy_if_shared(donated)
        run: Any = program.compiled
        if self.kwargs:
            run = functools.partial(run, **self.kwargs)
        results: list[Any] = []
        try:
            # Not results.append(run(...)): an interrupt that has come during the call is raised
            # before the next instruction, and with the result the only state there is were lost.
            results.extend(starmap(run, ((donated, kept, self.grads, *self.args),)))
        finally:
            if results:
                self._put_back(program, results[0][1])
        out, of_changes = results[0]
        if program.changes[next(iter(of_changes))].refers:
            out = put_in(out, (self.root, *plan_of(self.root).descendants))
        return out

    def shortcut(self, program: Program) -> Shortcut | None:
        """A quick way for the next call, if this one was of the usual kind."""
        place = self.key[1]
        if (
            self.kwargs
            or self.grads
            or len(program.changes) != 1
            or len(place) != 1
            or self.key[2]  # static arguments
            or plan_of(self.root) is not self.plan
        ):
            return None
        changes = program.changes[0]
        if changes.new or changes.grads or changes.refers:
            return None
        self.plan.gradless = CHANGES.value
        return Shortcut(program, self.plan.structure, int(place[0]), len(self.args))

    def _put_back(self, program: Program, of_changes: dict[int, list[Any]]) -> None:
        ((number, values),) = of_changes.items()
        changes = program.changes[number]
        try:
            put_back(self.tops, self.root, self.plan, changes, values)
        except KeyboardInterrupt:
            put_back(self.tops, self.root, self.plan, changes, values)
            raise


@final
class Shortcut:
    """Calls with one Module, of a structure that is compiled, among positional arguments.

    Does what `CompiledCall` does, in one piece: in small programs each Python function on the way
    is felt, since the compiled code has emptied the caches of the processor.
    """

    __slots__ = (
        "_program",
        "_run",
        "_slots",
        "_whole",
        "at",
        "cls",
        "n_args",
        "structure",
    )

    def __init__(self, program: Program, structure: Structure, at: int, n_args: int) -> None:
        self.at = at
        self.n_args = n_args
        self.cls: Any = structure.specs[0].cls
        self.structure = structure
        self._program = program
        self._run = program.compiled
        self._slots = program.changes[0].slots
        # Whether all leaves are written, and none is a plain array: the loops are simple then.
        self._whole = (
            not program.kept
            and self._slots == program.written
            and not any(spec.arrays for spec in structure.specs)
        )

    def run(self, module: Module, plan: Plan, args: tuple[Any, ...]) -> Any:
        """The result of the call."""
        kept: list[Any] = []
        if self._whole:
            donated = [parameter._value for parameter in plan.parameters]
            if plan.buffers:
                donated += [store[name] for store, name in plan.buffers]
        else:
            donated, kept = self._program.parted(read_leaves(plan, module))
        if donated and max(map(getrefcount, donated)) > ONE_OWNER:
            copy_if_shared(donated)
        at = self.at
        results: list[Any] = []
        arguments = (donated, kept, (), *args[:at], None, *args[at + 1 :])
        try:
            results.extend(starmap(self._run, (arguments,)))  # as in CompiledCall.run
        finally:
            if results:
                try:
                    self._put_back(module, plan, results[0][1])
                except KeyboardInterrupt:
                    self._put_back(module, plan, results[0][1])
                    raise
        out, of_changes = results[0]
        if 0 not in of_changes and self._program.changes[next(iter(of_changes))].refers:
            # Arguments of another shape than those of the usual call.
            out = put_in(out, (module, *plan_of(module).descendants))
        return out

    def _put_back(self, module: Module, plan: Plan, of_changes: dict[int, list[Any]]) -> None:
        values = of_changes.get(0)
        if values is None or (values and isinstance(values[0], jax.core.Tracer)):
            ((number, values),) = of_changes.items()
            put_back([module], module, plan, self._program.changes[number], values)
        elif self._whole:
            for parameter, value in zip(plan.parameters, values, strict=False):
                parameter._value = value
            if plan.buffers:
                first = len(plan.parameters)
                for (store, name), value in zip(plan.buffers, values[first:], strict=True):
                    store[name] = value
        else:
            write_leaves(plan, module, self._slots, values)


def run_recipe(
    function: Callable[..., Any],
    recipe: Recipe,
    leaves: Sequence[Any],
    grads: Sequence[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, list[Any], Changes]:
    """Run a function for a trace of it."""
    if any(map(is_module, jax.tree.leaves((args, kwargs), is_leaf=is_module))):
        raise NestedModulesError

    def bind(root: Module) -> tuple[tuple[Any, ...], dict[str, Any]]:
        tops = members(root, recipe.n_tops)
        positional, named = list(args), dict(kwargs)
        if not recipe.where:
            positional, named = put_in((positional, named), tops)
        for place, value in (*zip(recipe.where, tops, strict=False), *recipe.statics):
            if isinstance(place, int):
                positional[place] = value
            else:
                named[place] = value
        return tuple(positional), named

    with GLOBAL_HOOKS.while_compiling():
        return run_on_copies(function, recipe.structure, leaves, grads, recipe.grads_at, bind)
