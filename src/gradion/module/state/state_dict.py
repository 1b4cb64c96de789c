"""The state of a tree of Modules as a dictionary: taking it and loading it."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, final

import jax
import jax.numpy as jnp

from gradion.foundation.errors import InputError
from gradion.module.meta import ParameterMeta
from gradion.module.parameter import Parameter, check_bounds
from gradion.module.state.state_branch import StateBranch
from gradion.module.state.state_fitting import (
    as_array,
    as_it_is,
    converted,
    in_unit_of,
    placed_like,
    same,
)
from gradion.module.traversal import walk_modules

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = [
    "EXTRA_STATE",
    "HookResultError",
    "LoadResult",
    "StateDict",
    "StateDictError",
    "load_state_dict",
    "state_dict",
]

# Name of the entry of a Module's extra state.
EXTRA_STATE: Final = "_extra_state"


@final
class StateDictError(InputError, RuntimeError):
    """A state that does not fit its Module, or a state_dict hook that returned a value."""


@final
class HookResultError(InputError, AssertionError):
    """A load_state_dict post-hook returned a value; it may only change the lists in place."""


@final
class LoadResult(NamedTuple):
    """Names that a state lacked, and those that no Module had a place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"LoadResult(missing_keys={self.missing_keys!r}, "
            f"unexpected_keys={self.unexpected_keys!r})"
        )


@final
class StateDict(dict[str, Any]):
    """Arrays by dotted name, in the order of the Modules, with what is known about them.

    `_metadata` maps the path of each Module to `{"version": ..., "parameters": {...}}`: the
    version of its class's layout, and the ParameterMeta (unit, bounds, prior, source,
    trainability) of each of its own Parameters by name, left out where it has none. `copy`
    keeps it. To JAX a StateDict is a pytree as a dict is; `jax.tree.map` gives a StateDict.
    """

    _metadata: dict[str, dict[str, Any]]

    def __init__(
        self,
        entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        metadata: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(entries)
        self._metadata = _copied(metadata)

    def copy(self) -> Self:
        """A StateDict with the same entries and a `_metadata` of its own."""
        return type(self)(self, self._metadata)


def _copied(metadata: object) -> dict[str, dict[str, Any]]:
    """Metadata of its own to the depth that hooks are meant to change."""
    if not isinstance(metadata, Mapping):
        return {}
    return {
        path: {
            key: dict(value) if isinstance(value, dict) else value for key, value in known.items()
        }
        for path, known in metadata.items()
        if isinstance(known, Mapping)
    }


@final
class _Frame:
    """What is static about a StateDict; the order of its keys counts no more than a dict's."""

    __slots__ = ("keys", "metadata")

    def __init__(self, state: StateDict) -> None:
        self.keys = tuple(state)
        self.metadata = _copied(state._metadata)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Frame):
            return NotImplemented
        return set(self.keys) == set(other.keys) and self.metadata == other.metadata

    def __hash__(self) -> int:
        return hash(frozenset(self.keys))


def _flatten_with_keys(state: StateDict) -> tuple[list[tuple[Any, Any]], _Frame]:
    # Sorted: leaves of two states meet by name, whatever the order of either.
    return [(jax.tree_util.DictKey(key), state[key]) for key in sorted(state)], _Frame(state)


def _flatten(state: StateDict) -> tuple[list[Any], _Frame]:
    return [state[key] for key in sorted(state)], _Frame(state)


def _unflatten(frame: _Frame, values: Iterable[Any]) -> StateDict:
    by_key = dict(zip(sorted(frame.keys), values, strict=True))
    return StateDict(((key, by_key[key]) for key in frame.keys), frame.metadata)


jax.tree_util.register_pytree_with_keys(StateDict, _flatten_with_keys, _unflatten, _flatten)


def _visits(root: Module, prefix: str) -> Iterator[tuple[Module, str, bool]]:
    """Each Module of the tree once a path: before all below it (True), and after (False).

    Comes with the prefix of its entries. A cycle of Modules is followed once. What a Module
    has below it is asked after the caller has seen it: a hook or extra state may change that.
    """
    above = {id(root)}
    yield root, prefix, True
    stack = [(root, prefix, iter(tuple(root._modules.items())))]
    while stack:
        module, at, children = stack[-1]
        for name, child in children:
            if child is not None and id(child) not in above:
                above.add(id(child))
                child_at = f"{at}{name}."
                yield child, child_at, True
                stack.append((child, child_at, iter(tuple(child._modules.items()))))
                break
        else:
            stack.pop()
            above.discard(id(module))
            yield module, at, False


def _own_slots(module: Module) -> dict[str, Any]:
    """Parameters, then persistent buffers of one Module, without the Nones."""
    slots: dict[str, Any] = {n: p for n, p in module._parameters.items() if p is not None}
    for name, array in module._buffers.items():
        if array is not None and name not in module._non_persistent_buffers:
            slots[name] = array
    return slots


def _defines(module: Module, method: str) -> bool:
    from gradion.module.module import Module  # that file imports this one

    return getattr(type(module), method) is not getattr(Module, method)


def state_dict(
    module: Module, destination: dict[str, Any] | None, prefix: str, *, keep_vars: bool
) -> dict[str, Any]:
    """See `Module.state_dict`.

    A Parameter that is not initialised stands there as such a Parameter, a new one. Raises
    StateDictError if a post-hook returns a value.
    """
    state = StateDict() if destination is None else destination
    metadata = getattr(state, "_metadata", None)
    described: dict[str, dict[str, Any]] = {}
    for owner, at, entering in _visits(module, prefix):
        hooks = owner._hooks
        if entering:
            known = described[at] = {"version": owner._version}
            if metadata is not None:
                metadata[at[:-1]] = known
            if hooks is not None:
                for entry in tuple(hooks.state_dict_pre.values()):
                    entry.hook(owner, at, keep_vars)
            _save_own(owner, state, at, known, keep_vars=keep_vars)
        elif hooks is not None:
            for entry in tuple(hooks.state_dict_post.values()):
                if entry.hook(owner, state, at, described[at]) is not None:
                    raise StateDictError(
                        "a state_dict post-hook returned a value",
                        where=type(owner).__name__,
                        mend="change the dictionary it gets in place and return None",
                    )
    return state


def _save_own(
    module: Module, state: dict[str, Any], at: str, known: dict[str, Any], *, keep_vars: bool
) -> None:
    """Put the entries of one Module, without those below it, into the state."""
    metas: dict[str, ParameterMeta] = {}
    for name, slot in _own_slots(module).items():
        entry = slot
        if isinstance(slot, Parameter):
            metas[name] = slot.meta
            if not keep_vars:
                # A twin, not the Parameter: what was saved must not get a value later on.
                entry = copy.copy(slot) if slot.is_uninitialized else slot._value
        state[at + name] = entry
    if metas:
        known["parameters"] = metas
    if _defines(module, "get_extra_state"):
        state[at + EXTRA_STATE] = module.get_extra_state()


def load_state_dict(
    module: Module,
    state: Mapping[str, Any],
    *,
    strict: bool,
    assign: bool = False,
    with_trainability: bool = False,
) -> LoadResult:
    """See `Module.load_state_dict`.

    Parameters take the descriptions (bounds, prior, source) that the state has in its
    `_metadata`; they keep their units, into which values and descriptions are converted. What
    is trainable is the Module's business, as in PyTorch: only `with_trainability` takes it from
    the state. A state that is a plain dict leaves descriptions as they are.

    An entry may be a Parameter, from a state with `keep_vars`: its value and description are
    loaded, and with `assign` the object itself is put in place, under each name that the
    replaced one had. `assign` with an array keeps the Parameter, which takes that very array
    and loses its `grad`. A Parameter that is not initialised takes whatever shape comes.

    Where it raises, the Module is put back as it was: descriptions, values, and extra state as
    far as `get_extra_state` tells it. What hooks did besides stays.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict: got {type(state).__name__}, expected a mapping")
    keys: Iterable[object] = state
    odd = [key for key in keys if not isinstance(key, str)]
    if odd:
        raise TypeError(f"load_state_dict: got key {odd[0]!r}, expected text")
    loading = _Loading(state, assign=assign, with_trainability=with_trainability)
    try:
        loading.run(module)
        loading.raise_errors(type(module).__name__, strict=strict)
    except BaseException:
        loading.undo()
        raise
    return LoadResult(loading.missing, loading.unexpected)


@final
class _Loading:
    """One load_state_dict: what was found wrong, and how to undo what was done."""

    def __init__(self, state: Mapping[str, Any], *, assign: bool, with_trainability: bool) -> None:
        self.state = state
        self.assign = assign
        self.with_trainability = with_trainability
        self.metadata = _copied(getattr(state, "_metadata", None))
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.undo_steps: list[Callable[[], Any]] = []
        # By identity of a slot: the slot (kept alive), the name and the value it was given.
        self.given: dict[Any, tuple[Any, str, Any]] = {}
        self.replaced: dict[int, tuple[Parameter, Parameter]] = {}

    def run(self, root: Module) -> None:
        """Load the tree: each Module before those below it, its post-hooks after them."""
        # Prefixes and branches from the root down to the present Module.
        path: list[tuple[str, StateBranch]] = []
        for module, at, entering in _visits(root, ""):
            if entering:
                if path:
                    above_at, above = path[-1]
                    branch = above.below.get(at[len(above_at) : -1], StateBranch())
                else:
                    branch = StateBranch.of(self.state, at)
                path.append((at, self._load_own(module, at, branch)))
            else:
                path.pop()
                self._run_post_hooks(module)
        if self.replaced:
            self._replace_everywhere(root)

    def undo(self) -> None:
        """Put everything back, the last change first."""
        while self.undo_steps:
            self.undo_steps.pop()()

    def raise_errors(self, class_name: str, *, strict: bool) -> None:
        """Raise one StateDictError that tells everything, if there is anything to tell."""
        parts = []
        if strict and self.missing:
            parts.append(f"missing {', '.join(self.missing)}")
        if strict and self.unexpected:
            parts.append(f"unexpected {', '.join(self.unexpected)}")
        mend = "strict=False loads the rest" if parts and not self.errors else None
        if self.errors:
            parts.append(f"does not fit: {', '.join(self.errors)}")
        if parts:
            raise StateDictError("; ".join(parts), where=f"state of {class_name}", mend=mend)

    def _run_post_hooks(self, module: Module) -> None:
        if module._hooks is None:
            return
        for entry in tuple(module._hooks.load_post.values()):
            if entry.hook(module, LoadResult(self.missing, self.unexpected)) is not None:
                raise HookResultError(
                    "a load_state_dict post-hook returned a value",
                    where=type(module).__name__,
                    mend="change the lists it gets in place and return None",
                )

    def _load_own(self, module: Module, at: str, branch: StateBranch) -> StateBranch:
        """Load one Module without those below it; returns the branch as its hooks left it."""
        local = _copied({"": self.metadata.get(at[:-1], {})})[""]
        if self.assign:
            local["assign_to_params_buffers"] = True
        if module._hooks is not None and module._hooks.load_pre:
            entries = ((key, value) for _, key, value in branch.all_entries())
            view = StateDict(entries)
            view._metadata = self.metadata
            lists = (self.missing, self.unexpected, self.errors)
            for entry in tuple(module._hooks.load_pre.values()):
                entry.hook(module, view, at, local, True, *lists)
            branch = StateBranch.of(view, at)
        metas = local.get("parameters")
        metas = metas if isinstance(metas, Mapping) else {}
        assign = bool(local.get("assign_to_params_buffers", False))
        slots = _own_slots(module)
        for name, slot in slots.items():
            if name not in branch.entries:
                self.missing.append(at + name)
                continue
            value = branch.entries[name][2]
            try:
                if isinstance(slot, Parameter):
                    self._load_parameter(
                        module, at + name, slot, value, metas.get(name), assign=assign
                    )
                else:
                    self._load_buffer(module, at + name, slot, value, assign=assign)
            except (InputError, TypeError) as error:
                self.errors.append(f"{at}{name}: {error}")
        expected = set(slots)
        if _defines(module, "set_extra_state"):
            expected.add(EXTRA_STATE)
            self._load_extra_state(module, at, branch)
        odd = [entry for name, entry in branch.entries.items() if name not in expected]
        for name, below in branch.below.items():
            if module._modules.get(name) is None:
                odd.extend(below.all_entries())
        self.unexpected.extend(key for _, key, _ in sorted(odd, key=lambda entry: entry[0]))
        return branch

    def _load_extra_state(self, module: Module, at: str, branch: StateBranch) -> None:
        if EXTRA_STATE not in branch.entries:
            self.missing.append(at + EXTRA_STATE)
            return
        if _defines(module, "get_extra_state"):
            # A class may have none to tell before it was set for the first time.
            with contextlib.suppress(Exception):
                old = copy.deepcopy(module.get_extra_state())
                self.undo_steps.append(functools.partial(module.set_extra_state, old))
        module.set_extra_state(branch.entries[EXTRA_STATE][2])

    def _seen(self, slot_key: Any, slot: Any, key: str, value: Any) -> bool:
        """Whether a slot has been loaded under another name; InputError if differently."""
        if slot_key not in self.given:
            self.given[slot_key] = (slot, key, value)
            return False
        _, other, other_value = self.given[slot_key]
        if not same(value, other_value):
            raise InputError(f"differs from {other}, with which it is shared")
        return True

    def _load_buffer(
        self, module: Module, key: str, present: jax.Array, value: Any, *, assign: bool
    ) -> None:
        name = key.rpartition(".")[2]
        if isinstance(value, Parameter):
            value = value.value
        if self._seen((id(module), name), module, key, value):
            return
        if assign:
            new = as_it_is(value, present.shape)
        else:
            new = placed_like(converted(value, present.shape, present.dtype), present)
        module._require_writable(name)
        buffers = module._buffers
        self.undo_steps.append(functools.partial(buffers.__setitem__, name, present))
        buffers[name] = new

    def _load_parameter(
        self, module: Module, key: str, slot: Parameter, value: Any, meta: Any, *, assign: bool
    ) -> None:
        """Load one entry into a Parameter; `meta` is what the state says of it, or None."""
        given = value if isinstance(value, Parameter) else None
        if given is not None:
            value, meta = given._value, given.meta
            if given.is_uninitialized:
                if slot.is_uninitialized:
                    return
                raise InputError(f"has no value yet, expected shape {slot.shape}")
        meta, factor = in_unit_of(slot, meta)
        if given is not None and assign:
            if not self._seen(id(slot), slot, key, given):
                self._take_over(module, key, slot, given)
            elif slot is not given:
                self._replace(module, key.rpartition(".")[2], slot, given)
            return
        if factor != 1.0:
            value = as_array(value) * factor
        if not self.with_trainability:
            meta = dataclasses.replace(meta, trainable=slot.trainable)
        if not self._seen(id(slot), slot, key, value):
            self._set(slot, value, meta, assign=assign)

    def _take_over(self, module: Module, key: str, slot: Parameter, given: Parameter) -> None:
        """Put a Parameter of the state in the place of one of the Module."""
        if given.unit != slot.unit:
            raise InputError(f"a Parameter in {given.unit}, expected one in {slot.unit}")
        if not slot.is_uninitialized and given.shape != slot.shape:
            raise InputError(f"shape {given.shape}, expected {slot.shape}")
        self._replace(module, key.rpartition(".")[2], slot, given)
        self.replaced[id(slot)] = (slot, given)
        # It stands in place of the other under each name.
        self.given[id(given)] = (given, key, given)

    def _set(self, slot: Parameter, value: Any, meta: ParameterMeta, *, assign: bool) -> None:
        """Give a Parameter a value from the state, which is in its unit, and a description."""
        shape = None if slot.is_uninitialized else slot.shape
        dtype = slot._value.dtype
        if assign:
            new = as_it_is(value, shape)
            if not jnp.issubdtype(new.dtype, jnp.floating):
                raise TypeError(f"dtype {new.dtype}, expected a floating dtype")
        else:
            new = converted(value, shape, dtype)
            if shape is not None:
                new = placed_like(new, slot._value)
        check_bounds(new, meta.bounds)
        undo = functools.partial(_restore, slot, slot._value, slot._meta, slot._grad)
        slot._replace_value(new)
        self.undo_steps.append(undo)
        if meta != slot.meta:
            slot._set_meta(meta)
        if assign:
            slot.grad = None

    def _replace(self, module: Module, name: str, old: Parameter, new: Parameter) -> None:
        module.register_parameter(name, new)
        self.undo_steps.append(functools.partial(_put_back, module, name, old))

    def _replace_everywhere(self, root: Module) -> None:
        """Put assigned Parameters where a state that is not whole did not name them."""
        for _, module in walk_modules(root):
            for name, parameter in tuple(module._parameters.items()):
                if parameter is not None and id(parameter) in self.replaced:
                    self._replace(module, name, *self.replaced[id(parameter)])


def _put_back(module: Module, name: str, parameter: Parameter) -> None:
    module._parameters[name] = parameter
    module._changed()


def _restore(slot: Parameter, value: Any, meta: ParameterMeta, grad: Any) -> None:
    slot._replace_value(value)
    slot._set_meta(meta)
    slot.set_grad(grad)
