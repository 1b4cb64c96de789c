"""New values for a tree of Modules: by name, functionally or in place."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import jax

from gradion.foundation.compat.trace_scope import current_scope
from gradion.foundation.errors import InputError, unknown_name
from gradion.module.scope import require_writable
from gradion.module.structure import (
    Structure,
    flatten,
    plan_of,
    rebuild,
    structure_of,
    write_leaves,
)
from gradion.module.traversal import walk_parameters

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = [
    "parameter_values",
    "select",
    "set_parameters",
    "with_parameters",
]

AnyModule = TypeVar("AnyModule", bound="Module")


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


def parameter_values(module: Module, *, trainable_only: bool) -> dict[str, jax.Array]:
    """See `Module.parameter_values`."""
    return {
        name: parameter._value
        for name, parameter in walk_parameters(module)
        if parameter._meta.trainable or not trainable_only
    }


def with_parameters(module: AnyModule, values: Mapping[str, Any]) -> AnyModule:
    """See `Module.with_parameters`."""
    leaves, structure = flatten(module)
    for index, value in _checked(module, structure, values):
        leaves[index] = value
    return rebuild(structure, leaves, scope=current_scope())


def set_parameters(module: Module, values: Mapping[str, Any]) -> None:
    """See `Module.set_parameters`."""
    plan = plan_of(module)
    new = _checked(module, plan.structure, values)
    for index, _ in new:
        require_writable(plan.parameters[index]._scope, f"{type(module).__name__}'s Parameters")
    new.sort(key=lambda entry: entry[0])
    write_leaves(plan, module, [index for index, _ in new], [value for _, value in new])


def _checked(
    module: Module, structure: Structure, values: Mapping[str, Any]
) -> list[tuple[int, jax.Array]]:
    """Index and new value of each named Parameter, in its shape and dtype."""
    parameters = plan_of(module).parameters
    checked = []
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
            checked.append((index, parameters[index].matching(value)))
        except InputError as error:
            raise InputError(error.what, where=f"parameter {name!r}", mend=error.mend) from None
        except TypeError as error:
            raise TypeError(f"parameter {name!r}: {error}") from None
    return checked
