"""Dtype and place of all Parameters and buffers of a tree of Modules, changed in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from gradion.foundation.errors import InputError
from gradion.module.parameter import Parameter
from gradion.module.state.state_fitting import is_key

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["CastError", "DeviceError", "cast_all", "cuda_device", "to"]

_TARGETS = "a floating dtype, a jax.Device, a jax.sharding.Sharding or an array"


@final
class DeviceError(InputError, RuntimeError):
    """A device that is not there."""


@final
class CastError(TypeError, RuntimeError):
    """A dtype that Parameters cannot have."""


def to(module: Module, targets: tuple[Any, ...]) -> None:
    """See `Module.to`.

    Complex and whole-numbered buffers keep their dtype, random keys are moved as they are, and
    plain attributes stay untouched. `grad` goes along. None among the targets is passed over.
    Raises TypeError for a target that is none of those, and for two of a kind.
    """
    read = [_read_target(target) for target in targets if target is not None]
    dtypes = [dtype for dtype, _ in read if dtype is not None]
    places = [place for _, place in read if place is not None]
    if len(dtypes) > 1 or len(places) > 1:
        raise TypeError(f"to: got {targets!r}, expected at most one dtype and one place")
    dtype = dtypes[0] if dtypes else None
    place = places[0] if places else None
    if dtype is not None and not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"to: got dtype {dtype}, expected a floating dtype; type() takes any")
    if dtype is None and place is None:
        return

    def changed(array: Any) -> Any:
        if dtype is not None and jnp.issubdtype(array.dtype, jnp.floating):
            array = array.astype(dtype)
        return array if place is None else jax.device_put(array, place)

    _change(module, changed, dtype)


def cast_all(module: Module, dtype: DTypeLike) -> None:
    """See `Module.type`.

    Random keys stay as they are. Raises CastError, a TypeError and a RuntimeError, for a dtype
    that is not floating if there is a Parameter, InputError for a name, TypeError for what is
    no dtype.
    """
    if isinstance(dtype, str):
        raise InputError(f"type: got {dtype!r}, expected a dtype", mend="as in jnp.float32")
    wanted = _as_dtype(dtype)
    if wanted is None:
        raise TypeError(f"type: got {dtype!r}, expected a dtype")
    if not jnp.issubdtype(wanted, jnp.floating):
        for name, _ in module.named_parameters():
            raise CastError(f"type: got dtype {wanted}, but Parameter {name} must be floating")

    def changed(array: Any) -> Any:
        return array if is_key(array) else array.astype(wanted)

    _change(module, changed, wanted)


def cuda_device(index: int) -> jax.Device:
    """The GPU of a number; DeviceError, an InputError and a RuntimeError, if there is none."""
    try:
        devices = jax.devices("gpu")
    except RuntimeError:  # what JAX raises where it has no such backend
        devices = []
    if not 0 <= index < len(devices):
        known = ", ".join(str(device) for device in devices or jax.devices())
        raise DeviceError(f"there is no GPU number {index}", mend=f"JAX knows {known}")
    return devices[index]


def _read_target(target: Any) -> tuple[np.dtype | None, jax.Device | jax.sharding.Sharding | None]:
    if isinstance(target, (jax.Device, jax.sharding.Sharding)):
        return None, target
    if isinstance(target, jax.core.Tracer):
        return target.dtype, None  # it has no place yet
    if isinstance(target, jax.Array):
        return target.dtype, target.sharding
    if isinstance(target, (np.ndarray, np.generic)):
        return target.dtype, None
    dtype = _as_dtype(target)
    if dtype is None:
        mend = "; a device is one of jax.devices()" if isinstance(target, (str, int)) else ""
        raise TypeError(f"to: got {target!r}, expected {_TARGETS}{mend}")
    return dtype, None


def _as_dtype(target: Any) -> np.dtype | None:
    if not isinstance(target, (np.dtype, type)):
        return None
    dtype = jnp.dtype(target)
    # numpy takes any class for a dtype: that of objects.
    return None if dtype == np.dtype(object) else dtype


def _change(module: Module, changed: Callable[[Any], Any], dtype: np.dtype | None) -> None:
    """Put changed arrays in the place of all; first all are made, so that nothing is half done."""
    # By identity: an array in two places is one afterwards, too.
    made: dict[int, tuple[Any, Any]] = {}

    def once(array: Any) -> Any:
        if id(array) not in made:
            made[id(array)] = (array, changed(array))
        return made[id(array)][1]

    new_values: list[tuple[Parameter, Any, Any]] = []
    for parameter in module.parameters():
        if parameter.is_uninitialized:
            if dtype is not None:
                # The stand-in for its value, which carries the dtype.
                blank = Parameter.uninitialized(dtype=dtype)._value
                new_values.append((parameter, blank, None))
        else:
            grad = None if parameter.grad is None else once(parameter.grad)
            new_values.append((parameter, once(parameter._value), grad))
    new_buffers = [
        (owner, name, once(array))
        for owner in module.modules()
        for name, array in owner._buffers.items()
        if array is not None
    ]
    for owner, name, _ in new_buffers:
        owner._require_writable(name)
    for parameter, value, grad in new_values:
        parameter._replace_value(value)
        if grad is not None:
            parameter.grad = grad
    for owner, name, array in new_buffers:
        owner._buffers[name] = array
