"""Functions of Modules made pure: state goes in as arrays and comes out as arrays.

Every transformation of gradion does the same: it takes the Modules out of the arguments, runs the
function on copies of them that may be written, and puts what has changed back into the Modules
that were passed. What the function returns refers to those, not to the copies.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax

from gradion.foundation.compat.trace_scope import NO_TRACE, current_scope
from gradion.module.change_counter import CHANGES
from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.module.scope import TransformError, require_writable
from gradion.module.structure import (
    Plan,
    Structure,
    fill,
    plan_of,
    read_leaves,
    rebuild,
    write_leaves,
)
from gradion.module.traversal import join_name, walk_modules

__all__ = [
    "Call",
    "Changes",
    "bundle",
    "is_module",
    "members",
    "put_back",
    "run_on_copies",
    "put_in",
    "take_out",
    "trainable_slots",
    "unbound",
]


def is_module(value: object) -> bool:
    """Whether a value is a Module; as `is_leaf` of jax.tree functions."""
    return isinstance(value, Module)


@final
@jax.tree_util.register_static
@dataclass(frozen=True)
class _Place:
    """Stands in arguments or results for a Module, by number; has no leaves."""

    index: int


@final
class _Bundle(Module):
    """The Modules of one call as one tree, so that what they share stays shared."""

    def __init__(self, modules: Iterable[Module]) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            self.register_module(str(i), module)


def bundle(modules: Sequence[Module]) -> Module:
    """One Module that holds all of them: the Module itself if it is one."""
    return modules[0] if len(modules) == 1 else _Bundle(modules)


def members(root: Module, count: int) -> list[Any]:
    """Undo `bundle`, for the bundle or a copy of it."""
    return [root] if count == 1 else list(root._modules.values())


def take_out(tree: Any) -> tuple[Any, list[Module]]:
    """The tree with a place for each Module, and the Modules, each once."""
    modules: list[Module] = []
    index_of: dict[int, int] = {}

    def place(value: Any) -> Any:
        if not isinstance(value, Module):
            return value
        if id(value) not in index_of:
            index_of[id(value)] = len(modules)
            modules.append(value)
        return _Place(index_of[id(value)])

    return jax.tree.map(place, tree, is_leaf=is_module), modules


def put_in(tree: Any, modules: Sequence[Any]) -> Any:
    """Undo `take_out`, with any Modules."""
    return jax.tree.map(
        lambda value: modules[value.index] if isinstance(value, _Place) else value,
        tree,
        is_leaf=lambda value: isinstance(value, _Place),
    )


def unbound(function: Callable[..., Any]) -> tuple[Callable[..., Any], tuple[Module, ...]]:
    """A function without its Module, and the Module as first argument: it is state, too.

    For a Module, and for a method of one; other functions come back as they are.
    """
    if isinstance(function, Module):

        def call(module: Module, *args: Any, **kwargs: Any) -> Any:
            return module(*args, **kwargs)

        # JAX names it in messages and profiles.
        call.__name__ = call.__qualname__ = type(function).__name__
        return call, (function,)
    if inspect.ismethod(function) and isinstance(function.__self__, Module):
        return function.__func__, (function.__self__,)
    return function, ()


@final
class _NewStructure(NamedTuple):
    """A tree whose structure has changed; numbers are of the old tree, -1 for what is new."""

    structure: Structure
    modules: tuple[int, ...]
    parameters: tuple[int, ...]


@final
@dataclass(frozen=True)
class Changes:
    """What a function has done to its Modules, but for the values.

    These come in one list: leaves numbered `slots` (all leaves if `new` is set), then the grads
    of Parameters numbered `grads`. Parameters are numbered as in the tree after the call.
    """

    slots: tuple[int, ...] = ()
    new: _NewStructure | None = None
    grads: tuple[int, ...] = ()
    cleared: tuple[int, ...] = ()
    # Whether the result holds places of Modules.
    refers: bool = False

    @property
    def any(self) -> bool:
        """Whether anything has changed."""
        return bool(self.slots or self.new or self.grads or self.cleared)


def run_on_copies(
    function: Callable[..., Any],
    structure: Structure,
    leaves: Sequence[Any],
    grads: Sequence[Any],
    grads_at: Sequence[int],
    bind: Callable[[Module], tuple[tuple[Any, ...], dict[str, Any]]],
) -> tuple[Any, list[Any], Changes]:
    """Run a function on a copy of its Modules; returns its result, new values and `Changes`.

    `bind(root)` gives the arguments around the copy.
    """
    root = rebuild(structure, leaves, scope=current_scope())
    before = plan_of(root)
    for i, grad in zip(grads_at, grads, strict=True):
        before.parameters[i]._grad = grad
    args, kwargs = bind(root)
    out = function(*args, **kwargs)
    after = plan_of(root)
    values = read_leaves(after, root)
    slots: tuple[int, ...] = ()
    new = None
    if after.structure == structure:
        slots = tuple(
            [i for i, (old, now) in enumerate(zip(leaves, values, strict=True)) if old is not now]
        )
        values = [values[i] for i in slots]
        origins: Sequence[int] = range(len(after.parameters))
    else:
        new = _new_structure(root, before, after)
        origins = new.parameters
    given = dict(zip(grads_at, grads, strict=True))
    changed = [
        i
        for i, (parameter, origin) in enumerate(zip(after.parameters, origins, strict=True))
        if parameter._grad is not given.get(origin)
    ]
    grads_now = [after.parameters[i]._grad for i in changed]
    out, refers = _refer(out, root, after)
    changes = Changes(
        slots=slots,
        new=new,
        grads=tuple(i for i, grad in zip(changed, grads_now, strict=True) if grad is not None),
        cleared=tuple(i for i, grad in zip(changed, grads_now, strict=True) if grad is None),
        refers=refers,
    )
    return out, values + [grad for grad in grads_now if grad is not None], changes


def _new_structure(root: Module, before: Plan, after: Plan) -> _NewStructure:
    old_modules = {id(m): i for i, m in enumerate((root, *before.descendants))}
    old_parameters = {id(p): i for i, p in enumerate(before.parameters)}
    return _NewStructure(
        after.structure,
        tuple(old_modules.get(id(m), -1) for m in (root, *after.descendants)),
        tuple(old_parameters.get(id(p), -1) for p in after.parameters),
    )


def _refer(out: Any, root: Module, plan: Plan) -> tuple[Any, bool]:
    """The result with a place for each Module of the tree; the places number its Modules."""
    index_of = {id(module): i for i, module in enumerate((root, *plan.descendants))}
    ours = {*index_of, *map(id, plan.parameters)}
    refers = False

    def refer(value: Any) -> Any:
        nonlocal refers
        if not isinstance(value, Module):
            return value
        if id(value) in index_of:
            refers = True
            return _Place(index_of[id(value)])
        for _, module in walk_modules(value):
            if id(module) in ours or any(id(p) in ours for p in module._parameters.values()):
                raise TransformError(
                    f"a new {type(value).__name__} that shares Modules or Parameters with an "
                    "argument cannot be returned: the sharing would be lost; make it outside, or "
                    "assign it to an attribute of the argument"
                )
        return value

    return jax.tree.map(refer, out, is_leaf=is_module), refers


def put_back(
    tops: Sequence[Module], root: Module, plan: Plan, changes: Changes, values: Sequence[Any]
) -> None:
    """Put new values, and a new structure, into the Modules that were passed."""
    if not changes.any:
        return
    scope = current_scope()
    for top in tops:
        require_writable(top._scope, f"{type(top).__name__}, or a Module below it,")
    if scope != NO_TRACE:
        # A Module made here may hold Parameters made outside: these would keep a tracer.
        for i in changes.slots:
            if i < len(plan.parameters):
                require_writable(plan.parameters[i]._scope, plan.structure.leaf_names[i])
    parameters: Sequence[Parameter] = plan.parameters
    n_leaves = len(values) - len(changes.grads)
    if changes.new is None:
        write_leaves(plan, root, changes.slots, values[:n_leaves])
    else:
        parameters = _rebuild_in_place(root, plan, changes.new, values[:n_leaves], scope)
    for i, grad in zip(changes.grads, values[n_leaves:], strict=True):
        parameters[i].set_grad(grad)
    for i in changes.cleared:
        parameters[i].set_grad(None)


def _rebuild_in_place(
    root: Module, plan: Plan, new: _NewStructure, leaves: Sequence[Any], scope: Any
) -> list[Parameter]:
    old = (root, *plan.descendants)
    modules: list[Any] = []
    for origin, spec in zip(new.modules, new.structure.specs, strict=True):
        if origin < 0:
            modules.append(object.__new__(spec.cls))
            continue
        module = old[origin]
        if type(module) is not spec.cls:
            module.__class__ = spec.cls  # a lazy Module has become another
        modules.append(module)
    parameters = [
        plan.parameters[origin] if origin >= 0 else Parameter.from_leaf(None, meta, scope)
        for origin, meta in zip(new.parameters, new.structure.metas, strict=True)
    ]
    fill(new.structure, leaves, modules, parameters, scope=scope)
    # Trees that hold one of these Modules have plans of their own.
    CHANGES.note()
    return parameters


@final
class Call:
    """One call of a function with its Modules, for transformations that run it at once."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.function, owner = unbound(function)
        self.offset = len(owner)
        (self.args, self.kwargs), self.tops = take_out(((*owner, *args), kwargs))
        self.changes = Changes()
        self.root = bundle(self.tops)
        self.plan = plan_of(self.root)
        # From here on a place has the number of its Module in the whole tree, as in results.
        self._modules = (self.root, *self.plan.descendants)
        number_of = {id(module): i for i, module in enumerate(self._modules)}
        numbered = [_Place(number_of[id(top)]) for top in self.tops]
        self.args, self.kwargs = put_in((self.args, self.kwargs), numbered)
        self.leaves = read_leaves(self.plan, self.root)
        self._grads = {
            i: p._grad for i, p in enumerate(self.plan.parameters) if p._grad is not None
        }

    def run(
        self, leaves: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, list[Any]]:
        """The function's result and the new values; `changes` are kept for `finish`."""

        def bind(root: Module) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return put_in((args, kwargs), (root, *plan_of(root).descendants))

        out, values, self.changes = run_on_copies(
            self.function,
            self.plan.structure,
            leaves,
            tuple(self._grads.values()),
            tuple(self._grads),
            bind,
        )
        return out, values

    def finish(self, out: Any, values: Sequence[Any]) -> Any:
        """Put new values back; returns the result with the Modules that were passed."""
        put_back(self.tops, self.root, self.plan, self.changes, values)
        if self.changes.refers:
            out = put_in(out, (self.root, *plan_of(self.root).descendants))
        return out

    def top(self, place: Any) -> Module | None:
        """The Module that an argument stands for, if it is one."""
        return self._modules[place.index] if isinstance(place, _Place) else None

    @functools.cached_property
    def _parameter_numbers(self) -> dict[int, int]:
        return {id(parameter): i for i, parameter in enumerate(self.plan.parameters)}

    def parameter_number(self, parameter: Parameter) -> int:
        """The number of a Parameter of the call's Modules; that of its leaf, too."""
        return self._parameter_numbers[id(parameter)]

    def places(self, tree: Any) -> list[Any]:
        """The places of Modules in arguments or results."""
        leaves = jax.tree.leaves(tree, is_leaf=lambda value: isinstance(value, _Place))
        return [leaf for leaf in leaves if isinstance(leaf, _Place)]

    def leaf_numbers(self, tree: Any) -> list[int]:
        """Numbers of the leaves of the Modules whose places stand in part of the arguments."""
        names = {name: i for i, name in enumerate(self.plan.structure.leaf_names)}
        paths = {id(module): path for path, module in walk_modules(self.root)}
        numbers: set[int] = set()
        for place in self.places(tree):
            for module in self._modules[place.index].modules():
                path = paths[id(module)]
                numbers.update(map(self.parameter_number, module.parameters(recurse=False)))
                for name in (*module._buffers, *module._array_names):
                    numbers.add(names[join_name(path, name)])
        return sorted(numbers)


def trainable_slots(call: Call, module: Module) -> dict[str, int]:
    """For the trainable Parameters of one Module of a call: names in it, numbers in the call."""
    return {
        name: call.parameter_number(parameter)
        for name, parameter in module.named_parameters()
        if parameter.trainable
    }
