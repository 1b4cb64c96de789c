"""Keys of the attributes of a Module that are static to JAX: compared and hashed, not traced."""

import dataclasses
import functools
import inspect
from collections.abc import Hashable
from typing import Any

import jax
import numpy as np

from gradion.module.parameter import Parameter

__all__ = ["is_array", "static_key"]

_MEND = (
    "arrays belong in an attribute of their own or in register_buffer, Modules in an attribute "
    "or a ModuleList, anything else in a hashable form (tuple, frozen dataclass)"
)


def is_array(value: object) -> bool:
    """Whether a Module treats `value` as a leaf: a JAX array, a tracer or a numpy array."""
    return isinstance(value, (jax.Array, np.ndarray))


def static_key(owner: type, name: str, value: object) -> Hashable:
    """A key equal for two values of an attribute exactly if compiled code may serve both.

    Stricter than ==: 1, 1.0 and True differ, as do 0.0 and -0.0, because JAX gives them
    different types or results; nan equals itself. Raises TypeError, naming class and
    attribute, for what cannot be hashed and for what would hide arrays from JAX.
    """
    try:
        return _key(value)
    except TypeError as error:
        raise TypeError(f"{owner.__name__}.{name} cannot be static: {error}; {_MEND}") from None


def _key(value: Any) -> Hashable:
    if isinstance(value, float):
        return (type(value), value.hex())
    if value is None or isinstance(value, (bool, int, str, bytes, type)):
        return (type(value), value)
    if isinstance(value, complex):
        return (type(value), value.real.hex(), value.imag.hex())
    if isinstance(value, tuple):
        return (type(value), tuple(_key(item) for item in value))
    if isinstance(value, frozenset):
        return (type(value), frozenset(_key(item) for item in value))
    if isinstance(value, functools.partial):
        keywords = tuple((name, _key(value.keywords[name])) for name in sorted(value.keywords))
        return (type(value), _key(value.func), _key(value.args), keywords)
    if inspect.ismethod(value):
        # A bound method carries its object: a Module's would smuggle in its arrays.
        return (type(value), value.__func__, _key(value.__self__))
    if _compared_by_fields(value):
        fields = (field for field in dataclasses.fields(value) if field.compare)
        return (type(value), tuple(_key(getattr(value, field.name)) for field in fields))
    return _opaque_key(value)


def _compared_by_fields(value: Any) -> bool:
    if isinstance(value, type) or not dataclasses.is_dataclass(value):
        return False
    settings: Any = vars(type(value)).get("__dataclass_params__")
    if settings is None:
        # A subclass that is no dataclass itself may hold more than the fields tell.
        return False
    return bool(settings.frozen and settings.eq)


def _opaque_key(value: Any) -> Hashable:
    """The key of an object that only its own class can compare."""
    if isinstance(value, Parameter):
        raise TypeError("it holds a Parameter")
    if is_array(value):
        raise TypeError("it holds an array")
    try:
        hash(value)
    except TypeError:
        raise TypeError(f"a {type(value).__name__} is not hashable") from None
    # A pytree that is hashed by identity (a Module, say) may still hold arrays.
    if any(is_array(leaf) for leaf in jax.tree_util.tree_leaves(value)):
        raise TypeError(f"a {type(value).__name__} holds arrays")
    return (type(value), value)
