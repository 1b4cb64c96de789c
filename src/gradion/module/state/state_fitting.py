"""Values of a state, made to fit the places that they are loaded into."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError
from gradion.foundation.units import conversion_factor
from gradion.module.meta import ParameterMeta
from gradion.module.parameter import Parameter

__all__ = ["as_array", "as_it_is", "converted", "in_unit_of", "is_key", "placed_like", "same"]


def in_unit_of(slot: Parameter, meta: Any) -> tuple[ParameterMeta, float]:
    """A description from a state in the unit of a Parameter, and the factor of the values."""
    if meta is None or meta == slot.meta:
        return slot.meta, 1.0
    if not isinstance(meta, ParameterMeta):
        raise TypeError(f"description {meta!r}, expected a ParameterMeta")
    if meta.unit == slot.unit:
        return meta, 1.0
    factor = conversion_factor(meta.unit, slot.unit)
    return meta.in_unit(slot.unit, factor), factor


def as_array(given: Any) -> jax.Array | np.ndarray:
    """What a state gives as an array of numbers; TypeError for what is none."""
    if isinstance(given, jax.Array):
        return given
    array = np.asarray(given)
    # The second: bfloat16 and its like, which numpy has from outside.
    if array.dtype.kind in "biufc" or (array.dtype.kind == "V" and array.dtype.isbuiltin == 2):
        return array
    raise TypeError(f"got {type(given).__name__}, expected an array")


def _of_shape(given: Any, shape: tuple[int, ...] | None) -> jax.Array | np.ndarray:
    array = as_array(given)
    if shape == () and array.shape == (1,):
        return array.reshape(())  # scalars stood so in PyTorch's first states
    if shape is not None and array.shape != shape:
        raise InputError(f"shape {array.shape}, expected {shape}")
    return array


def as_it_is(given: Any, shape: tuple[int, ...] | None) -> jax.Array:
    """An array of the state itself, without a copy where it is a JAX array."""
    array = _of_shape(given, shape)
    if isinstance(array, jax.Array) and not array.aval.weak_type:
        return array
    return jnp.asarray(array, dtype=array.dtype)


def converted(given: Any, shape: tuple[int, ...] | None, dtype: Any) -> jax.Array:
    """A new array with a shape and dtype; raises InputError or TypeError."""
    array = _of_shape(given, shape)
    if array.dtype == dtype:
        # A copy of its own: a state and a Module that share an array could not both be donated.
        return jnp.array(array, dtype=dtype, copy=True)
    keys = is_key(array) or jnp.issubdtype(dtype, jax.dtypes.extended)
    if keys or not jnp.can_cast(array.dtype, dtype, casting="same_kind"):
        raise TypeError(f"dtype {array.dtype} does not convert to {dtype}")
    return jnp.asarray(array, dtype=dtype)


def placed_like(new: jax.Array, present: jax.Array) -> jax.Array:
    """A new value on the devices of the present one: a state may come from other devices."""
    if isinstance(new, jax.core.Tracer) or isinstance(present, jax.core.Tracer):
        return new
    return new if new.sharding == present.sharding else jax.device_put(new, present.sharding)


def same(value: Any, other: Any) -> bool:
    """Whether two values of a state are one, as those of a shared Parameter must be."""
    if value is other or any(isinstance(item, jax.core.Tracer) for item in (value, other)):
        # Traced values cannot be compared: the first then stands.
        return True
    if isinstance(value, Parameter) or isinstance(other, Parameter):
        return False
    value, other = _plain(value), _plain(other)
    inexact = jnp.issubdtype(value.dtype, jnp.inexact)
    return np.array_equal(value, other, equal_nan=inexact)


def is_key(array: jax.Array | np.ndarray) -> bool:
    """Whether an array holds random keys, which have a dtype of JAX's own."""
    return jnp.issubdtype(array.dtype, jax.dtypes.extended)


def _plain(value: Any) -> np.ndarray:
    array = as_array(value)
    return np.asarray(jax.random.key_data(array) if is_key(array) else array)
