"""New values for a tree of Modules: by name, functionally or in place."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError, unknown_name
from gradion.module.meta import ParameterMeta
from gradion.module.parameter import Parameter, check_bounds
from gradion.module.structure import flatten, structure_of, unflatten
from gradion.module.traversal import join_name, walk_modules

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["LoadResult", "load_state_dict", "select", "state_dict", "with_parameters"]

AnyModule = TypeVar("AnyModule", bound="Module")


@final
class LoadResult(NamedTuple):
    """Names that a state lacked or had too many, where loading was not strict."""

    missing_keys: tuple[str, ...]
    unexpected_keys: tuple[str, ...]


def select(module: Module, globs: Sequence[str]) -> tuple[str, ...]:
    """See `Module.select`."""
    structure = structure_of(module)
    chosen: set[int] = set()
    for glob in globs:
        names = [name for name in structure.parameter_index if fnmatch.fnmatchcase(name, glob)]
        if not names:
            raise unknown_name("parameter", glob, structure.parameter_index)
        chosen.update(structure.parameter_index[name] for name in names)
    return tuple(structure.leaf_names[index] for index in sorted(chosen))


def with_parameters(module: AnyModule, values: Mapping[str, Any]) -> AnyModule:
    """See `Module.with_parameters`."""
    leaves, structure = flatten(module)
    set_by: dict[int, str] = {}
    for name, value in values.items():
        index = structure.parameter_index.get(name)
        if index is None:
            raise unknown_name("parameter", name, structure.parameter_index)
        other = set_by.setdefault(index, name)
        if other != name and values[other] is not value:
            raise InputError(
                f"parameters {other!r} and {name!r} are one shared Parameter but got two values",
                mend="give one of them",
            )
        try:
            leaves[index] = module.get_parameter(name).matching(value)
        except InputError as error:
            raise InputError(error.what, where=f"parameter {name!r}", mend=error.mend) from None
        except TypeError as error:
            raise TypeError(f"parameter {name!r}: {error}") from None
    return unflatten(structure, leaves)


def state_dict(module: Module, prefix: str) -> dict[str, jax.Array]:
    """See `Module.state_dict`."""
    state: dict[str, jax.Array] = {}
    for path, owner in walk_modules(module, remove_duplicate=False):
        for name, parameter in owner._parameters.items():
            if parameter is not None:
                state[prefix + join_name(path, name)] = parameter.value
        for name, array in owner._buffers.items():
            if array is not None and name not in owner._non_persistent_buffers:
                state[prefix + join_name(path, name)] = array
    return state


def load_state_dict(
    module: Module,
    state: Mapping[str, Any],
    *,
    strict: bool,
    metas: Mapping[str, ParameterMeta] = MappingProxyType({}),
) -> LoadResult:
    """See `Module.load_state_dict`; Parameters named in `metas` take these with their values."""
    new_values: list[tuple[Parameter, jax.Array, ParameterMeta]] = []
    new_buffers: list[tuple[Module, str, jax.Array]] = []
    expected: set[str] = set()
    misfits: list[str] = []
    for path, owner in walk_modules(module, remove_duplicate=False):
        slots: dict[str, Any] = {n: p for n, p in owner._parameters.items() if p is not None}
        for name, array in owner._buffers.items():
            if array is not None and name not in owner._non_persistent_buffers:
                slots[name] = array
        for name, slot in slots.items():
            full_name = join_name(path, name)
            expected.add(full_name)
            if full_name not in state:
                continue
            try:
                if isinstance(slot, Parameter):
                    new = _converted(state[full_name], slot.value)
                    meta = metas.get(full_name, slot.meta)
                    check_bounds(new, meta.bounds)
                    new_values.append((slot, new, meta))
                else:
                    new_buffers.append((owner, name, _converted(state[full_name], slot)))
            except (InputError, TypeError) as error:
                misfits.append(f"{full_name}: {error}")
    misfits += _two_values(module, state)
    missing = tuple(sorted(expected - state.keys()))
    unexpected = tuple(sorted(state.keys() - expected))
    _raise_all(
        type(module).__name__, missing if strict else (), unexpected if strict else (), misfits
    )
    for parameter, value, meta in new_values:
        parameter.assign(value, meta)
    for owner, name, value in new_buffers:
        owner._buffers[name] = value
    return LoadResult(missing, unexpected)


def _converted(given: Any, present: jax.Array) -> jax.Array:
    """`given` with shape and dtype of `present`; raises InputError or TypeError."""
    array = given if isinstance(given, jax.Array) else np.asarray(given)
    if array.shape != present.shape:
        raise InputError(f"shape {array.shape}, expected {present.shape}")
    if array.dtype == present.dtype:
        # A copy of its own: a state and a Module that share an array could not both be donated.
        return jnp.array(array, copy=True)
    if not jnp.can_cast(array.dtype, present.dtype, casting="same_kind"):
        raise TypeError(f"dtype {array.dtype} does not convert to {present.dtype}")
    return jnp.asarray(array, dtype=present.dtype)


def _two_values(module: Module, state: Mapping[str, Any]) -> list[str]:
    """Complaints about shared Parameters that the state gives differing values."""
    first: dict[int, str] = {}
    complaints = []
    for name, index in structure_of(module).parameter_index.items():
        if name not in state:
            continue
        other = first.setdefault(index, name)
        given, given_other = state[name], state[other]
        if given is not given_other and not np.array_equal(given, given_other, equal_nan=True):
            complaints.append(f"{name}: differs from {other}, with which it is shared")
    return complaints


def _raise_all(
    class_name: str, missing: Sequence[str], unexpected: Sequence[str], misfits: Sequence[str]
) -> None:
    parts = []
    if missing:
        parts.append(f"missing {', '.join(missing)}")
    if unexpected:
        parts.append(f"unexpected {', '.join(unexpected)}")
    if misfits:
        parts.append(f"does not fit: {', '.join(misfits)}")
    if parts:
        raise InputError("; ".join(parts), where=f"state of {class_name}")
