"""Expressing a Parameter or a buffer of a Module through another one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import jax

from gradion.foundation.compat.trace_scope import current_scope
from gradion.foundation.errors import InputError, near_names
from gradion.module.containers.module_dict import ModuleDict
from gradion.module.meta import ParameterMeta
from gradion.module.module import Module
from gradion.module.parameter import Parameter, check_bounds
from gradion.module.parametrizations.parametrization import AbstractParametrization
from gradion.module.parametrizations.parametrization_list import (
    ParametrizationList,
    inverse_of,
    originals_of,
)
from gradion.module.parametrized import CHILD, find, value_of

__all__ = ["register_parametrization", "remove_parametrizations"]

AnyModule = TypeVar("AnyModule", bound=Module)


def register_parametrization(
    module: AnyModule, name: str, parametrization: Module, *, unsafe: bool = False
) -> AnyModule:
    """Express the Parameter or buffer `name` of `module` through another one; returns `module`.

    `module.name` is computed from then on, by `parametrization` on what stands under
    `parametrizations.<name>.original`. This is the Parameter object that was registered, so
    that what shares it still does. If the parametrization has a method `right_inverse`, the
    original is set to what this gives for the value, which then stays what it was; a sequence
    makes originals `original0`, `original1`, ..., which are new Parameters. Without one the
    original keeps its value. A second parametrization is applied after the first and leaves the
    originals alone. The class of the Module stays (PyTorch derives one for each Module).

    Where there is a right inverse the original is another quantity: it gets unit "1", no bounds
    and no prior, or what `AbstractParametrization.original_meta` says. What was known of the
    attribute is kept in `parametrizations.<name>.description`: values assigned must be within its
    bounds, and `remove_parametrizations` gives it back.

    Raises TypeError for what is no Module, InputError (a ValueError) for a name that is no
    Parameter or buffer, for results that are no arrays, and, unless `unsafe`, where shape or dtype
    of the value would change; an original keeps the dtype in any case. Nothing is changed then.
    """
    for what, given in (("module", module), ("parametrization", parametrization)):
        if not isinstance(given, Module):
            raise TypeError(
                f"register_parametrization: {what} is {type(given).__name__}, expected a Module"
            )
    module._require_writable(name)
    where = f"{type(module).__name__}.{name}"
    parametrization.train(module.training)
    present = find(module, name)
    if present is not None:
        if not unsafe:
            _check_next(parametrization, value_of(module, name), where)
        present.add(parametrization, unsafe=unsafe)
    elif module._parameters.get(name) is not None or module._buffers.get(name) is not None:
        _begin(module, name, parametrization, unsafe=unsafe)
    else:
        known = [*module._parameters, *module._buffers]
        near = near_names(name, known, limit=3)
        raise InputError(
            f"{type(module).__name__} has no Parameter or buffer {name!r}",
            mend=f"near: {', '.join(near)}" if near else None,
        )
    return module


def remove_parametrizations(
    module: AnyModule, name: str, leave_parametrized: bool = True
) -> AnyModule:
    """Make `name` a plain Parameter or buffer of `module` again; returns `module`.

    With `leave_parametrized` it has the value that it has now and the description it had before
    (trainable as the original is now). Otherwise it is the original as it is, which takes that
    there is one. It is registered last. Raises InputError (a ValueError) for a name that is not
    parametrised, for several originals that are to be left, and for a value outside the bounds.
    """
    where = f"{type(module).__name__}.{name}"
    present = find(module, name)
    if present is None:
        raise InputError(f"{where} is not parametrised")
    if not leave_parametrized and present.count is not None:
        raise InputError(
            f"{where} is made of {present.count} originals, none of which can take its place",
            mend="leave it parametrised",
        )
    module._require_writable(name)
    value = value_of(module, name) if leave_parametrized else None
    first = present.original_names()[0]
    parameter = present._parameters.get(first)
    meta = None
    if parameter is not None and leave_parametrized:
        meta = parameter.meta
        if present.description is not None:
            meta = replace(present.description, trainable=parameter.trainable)
        try:
            check_bounds(value, meta.bounds)
        except InputError as error:
            mend = f"set parametrizations.{name}.description, or the originals"
            raise InputError(error.what, where=where, mend=mend) from None
    entry = present._buffers.get(first) if parameter is None else parameter
    persistent = first not in present._non_persistent_buffers
    holder = module._modules[CHILD]
    if holder is not None:
        delattr(holder, name)
        if not holder._modules:
            delattr(module, CHILD)
    if parameter is None:
        module.register_buffer(name, value if leave_parametrized else entry, persistent)
        return module
    if meta is not None and present.count is not None:
        parameter = Parameter.from_leaf(value, meta, current_scope())
    elif meta is not None:
        _redefine(parameter, value, meta)
    module.register_parameter(name, parameter)
    return module


def _begin(module: Module, name: str, parametrization: Module, *, unsafe: bool) -> None:
    """The first parametrization of an attribute."""
    where = f"{type(module).__name__}.{name}"
    parameter = module._parameters.get(name)
    value = getattr(module, name)
    if parameter is not None and parameter.is_uninitialized:
        raise InputError(f"{where} has no value yet", mend="call the Module once on an example")
    given = _inverted(parametrization, value)
    originals = value if given is None else originals_of(given)
    if not isinstance(originals, list) and originals.dtype != value.dtype:
        raise InputError(
            f"{where}: right_inverse gave dtype {originals.dtype}, expected {value.dtype}"
        )
    new_value = parametrization(*(originals if isinstance(originals, list) else [originals]))
    if not unsafe:
        _check_array(new_value, where)
        _check_like(new_value, value, where)
    holder = module._modules.get(CHILD)
    if holder is None:
        holder = ModuleDict()
        module.register_module(CHILD, holder)
    description = None
    entries: Any = originals
    persistent = name not in module._non_persistent_buffers
    if parameter is not None:
        if given is not None:
            description = parameter.meta
            entries = _as_parameters(parameter, originals, parametrization)
            if isinstance(entries, Parameter) and entries.meta == description:
                description = None
        else:
            entries = parameter
    delattr(module, name)
    made = ParametrizationList(
        parametrization, entries, description=description, unsafe=unsafe, persistent=persistent
    )
    made.train(module.training)
    # Not by register_module: a Parameter may have a name that is an attribute of ModuleDict.
    holder._put_module(name, made)


def _as_parameters(
    parameter: Parameter, originals: jax.Array | list[jax.Array], parametrization: Module
) -> Parameter | list[Parameter]:
    """The originals as Parameters: the one that was registered if there is one original."""
    if isinstance(parametrization, AbstractParametrization):
        meta = parametrization.original_meta(parameter.meta)
    else:
        meta = replace(parameter.meta, unit="1", bounds=None, prior=None)
    if isinstance(originals, list):
        return [Parameter.from_leaf(array, meta, current_scope()) for array in originals]
    check_bounds(originals, meta.bounds)
    _redefine(parameter, originals, meta)
    return parameter


def _redefine(parameter: Parameter, value: Any, meta: ParameterMeta) -> None:
    """Make a Parameter object stand for another quantity."""
    parameter._replace_value(value)
    parameter._set_meta(meta)
    parameter.grad = None


def _inverted(parametrization: Module, value: Any) -> Any:
    """What the right inverse gives for a value, None if there is none."""
    right_inverse = inverse_of(parametrization)
    if right_inverse is None:
        return None
    try:
        return right_inverse(value)
    except NotImplementedError:
        return None


def _check_next(parametrization: Module, value: Any, where: str) -> None:
    """Check that one more parametrization keeps shape and dtype, both ways."""
    new_value = parametrization(value)
    _check_array(new_value, where)
    _check_like(new_value, value, where)
    given = _inverted(parametrization, new_value)
    if given is None:
        return
    if isinstance(given, Iterable) and not isinstance(given, jax.Array):
        raise InputError(
            f"{where}: right_inverse gave {type(given).__name__}, expected one array: several "
            "originals are for the first parametrization alone"
        )
    _check_array(given, where)
    _check_like(given, value, where)


def _check_array(value: Any, where: str) -> None:
    if not isinstance(value, jax.Array):
        raise InputError(
            f"{where}: the parametrization gave {type(value).__name__}, expected an array"
        )


def _check_like(value: jax.Array, present: jax.Array, where: str) -> None:
    for fact in ("shape", "dtype"):
        got, expected = getattr(value, fact), getattr(present, fact)
        if got != expected:
            raise InputError(
                f"{where}: the parametrization gave {fact} {got}, expected {expected}",
                mend="or say unsafe=True",
            )
