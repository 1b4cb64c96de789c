"""Modules as JAX pytrees: what is static about a tree of Modules, and how it is rebuilt.

A tree of Modules is one pytree node. Its children are, in this order, each distinct Parameter
once, all buffers, all other arrays; everything else is a `Structure`. Only a flat node can keep
a Parameter that two Modules share one leaf: nested nodes do not know of each other.
"""

from __future__ import annotations

import inspect
import types
import weakref
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, final

import jax

from gradion.foundation.errors import InputError
from gradion.module.change_counter import CHANGES
from gradion.module.hooks.registry import GLOBAL_HOOKS, HookEntry, HookRegistry
from gradion.module.meta import ParameterMeta
from gradion.module.parameter import Parameter
from gradion.module.scope import rebuilt_scope
from gradion.module.static import static_key
from gradion.module.traversal import join_name, walk_modules

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = [
    "INTERNAL",
    "Plan",
    "Structure",
    "fill",
    "flatten",
    "flatten_with_keys",
    "plan_of",
    "read_leaves",
    "rebuild",
    "structure_of",
    "unflatten",
    "write_leaves",
]

# Storage of every Module; all other entries of its __dict__ are attributes of the user.
INTERNAL = frozenset(
    {
        "_parameters",
        "_buffers",
        "_modules",
        "_non_persistent_buffers",
        "_array_names",
        "_hooks",
        "_scope",
        "_stamp",
        "_plan",
    }
)

# Index of "registered, but None" in the lists of Parameters and Modules, which end in a None.
_NONE = -1


@final
class _HookSpec(NamedTuple):
    """A hook of a Module. A method of a Module of the tree is bound anew in each copy of it."""

    table: str
    id: int
    entry: HookEntry
    method_of: int | None


@final
class _ModuleSpec(NamedTuple):
    """One Module of a tree; numbers index distinct Parameters, leaves, Modules of the tree."""

    cls: type
    parameters: tuple[tuple[str, int], ...]
    buffers: tuple[tuple[str, int], ...]
    arrays: tuple[tuple[str, int], ...]
    modules: tuple[tuple[str, int], ...]
    non_persistent: frozenset[str]
    hooks: tuple[_HookSpec, ...]
    static: tuple[tuple[str, Hashable], ...]


@final
class Structure:
    """Everything static about a tree of Modules: the pytree's auxiliary data.

    Equal exactly if classes, names, sharing, hooks, Parameter metadata and static attributes
    are; values, shapes and dtypes of leaves play no part. Equal structures alive at one time are
    one object, so that JAX's comparisons on each call are a pointer's.
    """

    def __init__(
        self,
        specs: tuple[_ModuleSpec, ...],
        metas: tuple[ParameterMeta, ...],
        statics: tuple[dict[str, Any], ...],
    ) -> None:
        self.specs = specs
        self.metas = metas
        self.statics = statics
        # Hooks of all Modules run in compiled code as a Module's own do.
        self._key = (specs, metas, GLOBAL_HOOKS.key())
        self._hash = hash(self._key)

    @cached_property
    def _placed(self) -> tuple[tuple[str, _ModuleSpec], ...]:
        """Each Module with its first path, in the order of `walk_modules`."""
        return tuple(self._walk(remove_duplicate=True))

    def _walk(self, *, remove_duplicate: bool) -> Iterator[tuple[str, _ModuleSpec]]:
        seen = {0}
        yield "", self.specs[0]
        stack = [(0, "", iter(self.specs[0].modules))]
        while stack:
            index, path, children = stack[-1]
            for name, child in children:
                if child != _NONE and child not in seen:
                    seen.add(child)
                    child_path = join_name(path, name)
                    yield child_path, self.specs[child]
                    stack.append((child, child_path, iter(self.specs[child].modules)))
                    break
            else:
                stack.pop()
                if not remove_duplicate:
                    seen.discard(index)

    @cached_property
    def leaf_names(self) -> tuple[str, ...]:
        """Dotted name of each leaf; a shared Parameter has its first."""
        first: dict[int, str] = {}
        others: dict[int, str] = {}
        for path, spec in self._placed:
            for name, index in spec.parameters:
                if index != _NONE:
                    first.setdefault(index, join_name(path, name))
            for name, slot in (*spec.buffers, *spec.arrays):
                others[slot] = join_name(path, name)
        names = first | others
        return tuple(names[slot] for slot in range(len(names)))

    @cached_property
    def parameter_index(self) -> dict[str, int]:
        """Index of each Parameter by all of its dotted names."""
        return {
            join_name(path, name): index
            for path, spec in self._walk(remove_duplicate=False)
            for name, index in spec.parameters
            if index != _NONE
        }

    @cached_property
    def key_paths(self) -> tuple[jax.tree_util.GetAttrKey, ...]:
        """One key a leaf; JAX prints it as `.negative.D_s`."""
        return tuple(jax.tree_util.GetAttrKey(name) for name in self.leaf_names)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Structure):
            return NotImplemented
        return self._hash == other._hash and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Structure({self.specs[0].cls.__name__}, leaves={', '.join(self.leaf_names)})"


_interned: weakref.WeakValueDictionary[Hashable, Structure] = weakref.WeakValueDictionary()


@final
class Plan:
    """How to flatten one tree of Modules again, as long as nothing of its structure changes.

    The root is left out of `descendants`: it owns the plan, and a cycle would keep its arrays
    alive until the garbage collector runs.
    """

    __slots__ = (
        "_changes",
        "_dicts",
        "_root_stamp",
        "_sizes",
        "_stamps",
        "arrays",
        "buffers",
        "caching",
        "descendants",
        "gradless",
        "parameters",
        "root_size",
        "structure",
    )

    def __init__(
        self,
        structure: Structure,
        modules: Sequence[Module],
        parameters: Iterable[Parameter],
    ) -> None:
        self._changes = CHANGES.value
        # The count of changes at which no Parameter was known to have a grad.
        self.gradless = -1
        self.structure = structure
        self.descendants = tuple(modules[1:])
        self.parameters = tuple(parameters)
        self.buffers = tuple(
            (module._buffers, name)
            for module, spec in zip(modules, structure.specs, strict=True)
            for name, _ in spec.buffers
        )
        self.arrays = tuple(
            (index, name) for index, spec in enumerate(structure.specs) for name, _ in spec.arrays
        )
        self._dicts = tuple([module.__dict__ for module in self.descendants])
        self._root_stamp = _stamp(modules[0].__dict__)
        self.root_size = self._root_stamp[1]
        self._stamps = [_stamp(state) for state in self._dicts]
        # Of Modules whose classes may add attributes without a change that is counted.
        self.caching = tuple(
            [module.__dict__ for module in self.descendants if _may_cache(type(module))]
        )
        self._sizes = [len(state) for state in self.caching]

    def holds(self, root: Module) -> bool:
        """Whether nothing static has changed in the tree since the plan was made."""
        changes = CHANGES.value
        if self._changes == changes:
            # No Module anywhere has changed.
            return self.same_sizes(root)
        holds = (
            _stamp(root.__dict__) == self._root_stamp
            and self._stamps == [_stamp(state) for state in self._dicts]
            # Descriptions are immutable: comparing identities first, as tuples do, is quick.
            and tuple([parameter._meta for parameter in self.parameters]) == self.structure.metas
            and self.structure._key[2] == GLOBAL_HOOKS.key()
        )
        if holds:
            self._changes = changes
        return holds

    def same_sizes(self, root: Module) -> bool:
        """Whether there are as many attributes as there were.

        They may be more without a change that is counted: functools.cached_property and its like
        bypass __setattr__.
        """
        return len(root.__dict__) == self._root_stamp[1] and self._sizes == list(
            map(len, self.caching)
        )


_caching_classes: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def _may_cache(cls: type) -> bool:
    """Whether a class has descriptors that may put values into the `__dict__` of an object."""
    known = _caching_classes.get(cls)
    if known is None:
        attributes = [v for base in cls.__mro__[:-1] for v in vars(base).values()]
        known = _caching_classes[cls] = any(map(_may_write_dict, attributes))
    return known


def _may_write_dict(attribute: object) -> bool:
    if isinstance(attribute, (types.FunctionType, staticmethod, classmethod, type)):
        return False
    kind = type(attribute)
    # A descriptor that takes assignments has its own place for values.
    return hasattr(kind, "__get__") and not hasattr(kind, "__set__")


def _stamp(state: dict[str, Any]) -> tuple[int, int]:
    return state["_stamp"], len(state)


def flatten(module: Module) -> tuple[list[Any], Structure]:
    """Leaves and structure of a tree of Modules, for JAX."""
    plan = plan_of(module)
    return read_leaves(plan, module), plan.structure


def read_leaves(plan: Plan, root: Module) -> list[Any]:
    """The leaves, in the order of the structure."""
    leaves = [parameter._value for parameter in plan.parameters]
    leaves += [buffers[name] for buffers, name in plan.buffers]
    for index, name in plan.arrays:
        leaves.append(_owner(plan, root, index).__dict__[name])
    return leaves


def write_leaves(plan: Plan, root: Module, slots: Sequence[int], values: Sequence[Any]) -> None:
    """Put values in the place of the leaves with these numbers; nothing is checked."""
    parameters, buffers = plan.parameters, plan.buffers
    first_buffer = len(parameters)
    first_array = first_buffer + len(buffers)
    # Nearly always all that is written are Parameters, in order: one quick loop does.
    count = bisect_left(slots, first_buffer)
    for slot, value in zip(slots[:count], values, strict=False):
        parameters[slot]._value = value
    for slot, value in zip(slots[count:], values[count:], strict=False):
        if slot < first_array:
            store, name = buffers[slot - first_buffer]
            store[name] = value
        else:
            index, name = plan.arrays[slot - first_array]
            _owner(plan, root, index).__dict__[name] = value


def _owner(plan: Plan, root: Module, index: int) -> Module:
    return root if index == 0 else plan.descendants[index - 1]


def flatten_with_keys(
    module: Module,
) -> tuple[list[tuple[jax.tree_util.GetAttrKey, Any]], Structure]:
    """As `flatten`, each leaf with its key."""
    leaves, structure = flatten(module)
    return list(zip(structure.key_paths, leaves, strict=True)), structure


def structure_of(module: Module) -> Structure:
    """The static part of a tree of Modules."""
    return plan_of(module).structure


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """A tree of Modules around any leaves, for JAX; no constructor runs, nothing is checked."""
    return rebuild(structure, leaves, scope=rebuilt_scope())


def rebuild(structure: Structure, leaves: Iterable[Any], *, scope: Any) -> Any:
    """As `unflatten`, the copy to be written where `scope` says."""
    modules: list[Any] = [object.__new__(spec.cls) for spec in structure.specs]
    parameters = [Parameter.from_leaf(None, meta, scope) for meta in structure.metas]
    fill(structure, tuple(leaves), modules, parameters, scope=scope)
    return modules[0]


def fill(
    structure: Structure,
    leaves: Sequence[Any],
    modules: Sequence[Any],
    parameters: Sequence[Parameter],
    *,
    scope: Any,
) -> None:
    """Give Modules and Parameters, new ones or old ones, the structure and the leaves."""
    for parameter, meta, leaf in zip(parameters, structure.metas, leaves, strict=False):
        # There are more leaves than metas: the buffers and arrays follow.
        parameter._value, parameter._meta = leaf, meta
    # Read by the index _NONE.
    known_parameters: list[Parameter | None] = [*parameters, None]
    known_modules = [*modules, None]
    for module, spec, static in zip(modules, structure.specs, structure.statics, strict=True):
        state = module.__dict__
        stamp = state.get("_stamp", -1) + 1
        hooks = state.get("_hooks")
        state.clear()
        state.update(static)
        for name, slot in spec.arrays:
            state[name] = leaves[slot]
        state["_parameters"] = {name: known_parameters[i] for name, i in spec.parameters}
        state["_buffers"] = {name: leaves[slot] for name, slot in spec.buffers}
        state["_modules"] = {name: known_modules[i] for name, i in spec.modules}
        state["_non_persistent_buffers"] = set(spec.non_persistent)
        state["_array_names"] = frozenset([name for name, _ in spec.arrays])
        state["_hooks"] = _hooks_of(module, hooks, spec, modules)
        state["_scope"] = scope
        state["_stamp"] = stamp
        state["_plan"] = None
    modules[0].__dict__["_plan"] = Plan(structure, modules, parameters)


def _hooks_of(
    module: Module, old: HookRegistry | None, spec: _ModuleSpec, modules: Sequence[Module]
) -> HookRegistry | None:
    if old is not None:
        old.clear()
    if not spec.hooks:
        return None
    # The old one if there is one: handles refer to it.
    return (old or HookRegistry(module)).filled(
        (
            hook.table,
            hook.id,
            hook.entry if hook.method_of is None else hook.entry.bound_to(modules[hook.method_of]),
        )
        for hook in spec.hooks
    )


def plan_of(module: Module) -> Plan:
    """The present plan of a tree of Modules, made anew if anything static has changed."""
    plan: Plan | None = module._plan  # before super().__init__() this raises and says so
    if plan is None or not plan.holds(module):
        plan = _make_plan(module)
        module.__dict__["_plan"] = plan
    return plan


def _make_plan(root: Module) -> Plan:
    """Walk the tree once and describe it."""
    placed = list(walk_modules(root))
    modules = [module for _, module in placed]
    parameters: dict[int, Parameter] = {}
    for path, module in placed:
        for name, parameter in module._parameters.items():
            if parameter is not None:
                if parameter.is_uninitialized:
                    raise InputError(
                        "has no shape yet: its Module is lazy",
                        where=f"{type(root).__name__}: Parameter {join_name(path, name)!r}",
                        mend="call the Module once on an example, outside of transformations",
                    )
                # By identity: a shared Parameter comes once.
                parameters.setdefault(id(parameter), parameter)
    parameter_index = {key: index for index, key in enumerate(parameters)}
    module_index = {id(module): index for index, module in enumerate(modules)}
    first_buffer = len(parameters)
    buffers = _number(first_buffer, [module._buffers for module in modules])
    first_array = first_buffer + sum(map(len, buffers))
    arrays = _number(first_array, [sorted(module._array_names) for module in modules])
    statics = tuple([_static_attributes(module) for module in modules])
    specs = tuple(
        [
            _ModuleSpec(
                cls=type(module),
                parameters=_links(module._parameters, parameter_index),
                buffers=buffers[i],
                arrays=arrays[i],
                modules=_links(module._modules, module_index),
                non_persistent=frozenset(module._non_persistent_buffers),
                hooks=_hook_specs(module, module_index),
                static=tuple(
                    (name, static_key(type(module), name, value))
                    for name, value in statics[i].items()
                ),
            )
            for i, module in enumerate(modules)
        ]
    )
    metas = tuple([parameter._meta for parameter in parameters.values()])
    structure = Structure(specs, metas, statics)
    structure = _interned.setdefault(structure._key, structure)
    return Plan(structure, modules, parameters.values())


def _hook_specs(module: Module, module_index: dict[int, int]) -> tuple[_HookSpec, ...]:
    hooks = module._hooks
    if hooks is None:
        return ()
    specs = []
    for table, key, entry in hooks.entries():
        owner = entry.hook.__self__ if inspect.ismethod(entry.hook) else None
        specs.append(_HookSpec(table, key, entry.unbound, module_index.get(id(owner))))
    return tuple(specs)


def _number(first: int, names: Sequence[Iterable[str]]) -> list[tuple[tuple[str, int], ...]]:
    """Give each name of each Module the next leaf."""
    slots = []
    for own in names:
        slots.append(tuple([(name, first + i) for i, name in enumerate(own)]))
        first += len(slots[-1])
    return slots


def _links(registered: dict[str, Any], index_of: dict[int, int]) -> tuple[tuple[str, int], ...]:
    return tuple(
        [
            (name, _NONE if entry is None else index_of[id(entry)])
            for name, entry in registered.items()
        ]
    )


def _static_attributes(module: Module) -> dict[str, Any]:
    """Attributes by sorted name: the order of assignment is no part of the structure."""
    left_out = INTERNAL | module._array_names
    return {name: module.__dict__[name] for name in sorted(module.__dict__.keys() - left_out)}
