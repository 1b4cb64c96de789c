"""Modules as JAX pytrees: what is static about a tree of Modules, and how it is rebuilt.

A tree of Modules is one pytree node. Its children are, in this order, each distinct Parameter
once, all buffers, all other arrays; everything else is a `Structure`. Only a flat node can keep
a Parameter that two Modules share one leaf: nested nodes do not know of each other.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import jax

from gradion.module.meta import ParameterMeta
from gradion.module.parameter import Parameter
from gradion.module.static import static_key
from gradion.module.traversal import join_name, walk_modules

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["INTERNAL", "Structure", "flatten", "flatten_with_keys", "structure_of", "unflatten"]

# Storage of every Module; all other entries of its __dict__ are attributes of the user.
INTERNAL = frozenset(
    {
        "_parameters",
        "_buffers",
        "_modules",
        "_non_persistent_buffers",
        "_array_names",
        "_version",
        "_plan",
    }
)

# Index of "registered, but None" in the lists of Parameters and Modules, which end in a None.
_NONE = -1


@final
class _ModuleSpec(NamedTuple):
    """One Module of a tree; numbers index distinct Parameters, leaves, Modules of the tree."""

    cls: type
    parameters: tuple[tuple[str, int], ...]
    buffers: tuple[tuple[str, int], ...]
    arrays: tuple[tuple[str, int], ...]
    modules: tuple[tuple[str, int], ...]
    non_persistent: frozenset[str]
    static: tuple[tuple[str, Hashable], ...]


@final
class Structure:
    """Everything static about a tree of Modules: the pytree's auxiliary data.

    Equal exactly if classes, names, sharing, Parameter metadata and static attributes are;
    values, shapes and dtypes of leaves play no part. Equal structures alive at one time are one
    object, so that JAX's comparisons on each call are a pointer's.
    """

    __slots__ = (
        "__weakref__",
        "_hash",
        "_key",
        "_key_paths",
        "leaf_names",
        "metas",
        "parameter_index",
        "specs",
        "statics",
    )

    def __init__(
        self,
        specs: tuple[_ModuleSpec, ...],
        metas: tuple[ParameterMeta, ...],
        statics: tuple[dict[str, Any], ...],
        leaf_names: tuple[str, ...],
        parameter_index: dict[str, int],
    ) -> None:
        self.specs = specs
        self.metas = metas
        self.statics = statics
        self.leaf_names = leaf_names
        self.parameter_index = parameter_index
        self._key = (specs, metas)
        self._hash = hash(self._key)
        self._key_paths: tuple[jax.tree_util.GetAttrKey, ...] | None = None

    @property
    def key_paths(self) -> tuple[jax.tree_util.GetAttrKey, ...]:
        """One key a leaf; JAX prints it as `.negative.D_s`."""
        if self._key_paths is None:
            self._key_paths = tuple(jax.tree_util.GetAttrKey(name) for name in self.leaf_names)
        return self._key_paths

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
class _Plan(NamedTuple):
    """How to flatten one tree of Modules again, as long as its stamps hold.

    The root is left out of `descendants`: it owns the plan, and a cycle would keep its arrays
    alive until the garbage collector runs.
    """

    structure: Structure
    root_stamp: tuple[int, int]
    descendants: tuple[tuple[Module, int, int], ...]
    parameters: tuple[Parameter, ...]
    buffers: tuple[tuple[dict[str, Any], str], ...]
    arrays: tuple[tuple[int, str], ...]


def flatten(module: Module) -> tuple[list[Any], Structure]:
    """Leaves and structure of a tree of Modules, for JAX."""
    plan = _current_plan(module)
    leaves = [parameter._value for parameter in plan.parameters]
    for buffers, name in plan.buffers:
        leaves.append(buffers[name])
    for index, name in plan.arrays:
        owner = module if index == 0 else plan.descendants[index - 1][0]
        leaves.append(owner.__dict__[name])
    return leaves, plan.structure


def flatten_with_keys(
    module: Module,
) -> tuple[list[tuple[jax.tree_util.GetAttrKey, Any]], Structure]:
    """As `flatten`, each leaf with its key."""
    leaves, structure = flatten(module)
    return list(zip(structure.key_paths, leaves, strict=True)), structure


def structure_of(module: Module) -> Structure:
    """The static part of a tree of Modules."""
    return _current_plan(module).structure


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """A tree of Modules around any leaves; no constructor runs and nothing is checked."""
    leaves = tuple(leaves)
    parameters: list[Parameter | None] = [
        Parameter.from_leaf(leaf, meta)
        # There are more leaves than metas: the buffers and arrays follow.
        for leaf, meta in zip(leaves, structure.metas, strict=False)
    ]
    plan_parameters: Any = tuple(parameters)
    parameters.append(None)  # read by the index _NONE
    modules: list[Any] = [object.__new__(spec.cls) for spec in structure.specs]
    modules.append(None)
    stamps = []
    plan_buffers = []
    plan_arrays = []
    for index, spec in enumerate(structure.specs):
        state = modules[index].__dict__
        state.update(structure.statics[index])
        state["_parameters"] = {name: parameters[slot] for name, slot in spec.parameters}
        state["_modules"] = {name: modules[slot] for name, slot in spec.modules}
        buffers = {name: leaves[slot] for name, slot in spec.buffers}
        state["_buffers"] = buffers
        state["_non_persistent_buffers"] = set(spec.non_persistent)
        state["_array_names"] = frozenset([name for name, _ in spec.arrays])
        state["_version"] = 0
        state["_plan"] = None
        for name, slot in spec.arrays:
            state[name] = leaves[slot]
            plan_arrays.append((index, name))
        for name in buffers:
            plan_buffers.append((buffers, name))
        stamps.append((modules[index], 0, len(state)))
    root = modules[0]
    root.__dict__["_plan"] = _Plan(
        structure=structure,
        root_stamp=stamps[0][1:],
        descendants=tuple(stamps[1:]),
        parameters=plan_parameters,
        buffers=tuple(plan_buffers),
        arrays=tuple(plan_arrays),
    )
    return root


def _current_plan(module: Module) -> _Plan:
    plan: _Plan | None = module.__dict__["_plan"]
    if plan is None or not _holds(plan, module):
        plan = _make_plan(module)
        module.__dict__["_plan"] = plan
    return plan


def _holds(plan: _Plan, root: Module) -> bool:
    """Whether nothing static has changed in the tree since the plan was made."""
    state = root.__dict__
    if (state["_version"], len(state)) != plan.root_stamp:
        return False
    for module, version, size in plan.descendants:
        state = module.__dict__
        # The size catches what bypasses __setattr__, such as functools.cached_property.
        if state["_version"] != version or len(state) != size:
            return False
    # Metadata objects are immutable: comparing identities first, as tuples do, is quick.
    return tuple([parameter._meta for parameter in plan.parameters]) == plan.structure.metas


def _make_plan(root: Module) -> _Plan:
    """Walk the tree once and describe it."""
    placed = list(walk_modules(root))
    modules = [module for _, module in placed]
    all_names = {
        join_name(path, name): parameter
        for path, module in walk_modules(root, remove_duplicate=False)
        for name, parameter in module._parameters.items()
        if parameter is not None
    }
    # Keyed by identity: the first name of a shared Parameter is its canonical one.
    parameters = {id(parameter): parameter for parameter in all_names.values()}
    index_of = {key: index for index, key in enumerate(parameters)}
    parameter_index = {name: index_of[id(parameter)] for name, parameter in all_names.items()}
    first_names = {index: name for name, index in reversed(parameter_index.items())}

    leaf_names = [first_names[index] for index in range(len(parameters))]
    buffer_slots = _number(placed, [module._buffers for module in modules], leaf_names)
    array_slots = _number(placed, [sorted(module._array_names) for module in modules], leaf_names)
    statics = [_static_attributes(module) for module in modules]
    module_of = {id(module): index for index, module in enumerate(modules)}
    specs = tuple(
        _ModuleSpec(
            cls=type(module),
            parameters=_links(module._parameters, index_of),
            buffers=buffer_slots[i],
            arrays=array_slots[i],
            modules=_links(module._modules, module_of),
            non_persistent=frozenset(module._non_persistent_buffers),
            static=tuple(
                (name, static_key(type(module), name, value)) for name, value in statics[i].items()
            ),
        )
        for i, module in enumerate(modules)
    )
    metas = tuple(parameter._meta for parameter in parameters.values())
    structure = Structure(specs, metas, tuple(statics), tuple(leaf_names), parameter_index)
    stamps = [(module, module._version, len(module.__dict__)) for module in modules]
    return _Plan(
        structure=_interned.setdefault(structure._key, structure),
        root_stamp=stamps[0][1:],
        descendants=tuple(stamps[1:]),
        parameters=tuple(parameters.values()),
        buffers=tuple((module._buffers, name) for module in modules for name in module._buffers),
        arrays=tuple((i, name) for i, slots in enumerate(array_slots) for name, _ in slots),
    )


def _number(
    placed: Sequence[tuple[str, Module]], names: Sequence[Iterable[str]], leaf_names: list[str]
) -> list[tuple[tuple[str, int], ...]]:
    """Give each name of each Module the next leaf; `leaf_names` grows by them."""
    slots = []
    for (path, _), own in zip(placed, names, strict=True):
        first = len(leaf_names)
        leaf_names.extend(join_name(path, name) for name in own)
        slots.append(tuple((name, first + i) for i, name in enumerate(own)))
    return slots


def _links(registered: dict[str, Any], index_of: dict[int, int]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (name, _NONE if entry is None else index_of[id(entry)])
        for name, entry in registered.items()
    )


def _static_attributes(module: Module) -> dict[str, Any]:
    """Attributes by sorted name: the order of assignment is no part of the structure."""
    left_out = INTERNAL | module._array_names
    return {name: module.__dict__[name] for name in sorted(module.__dict__.keys() - left_out)}
