"""gradion as the scripts see it.

Only two documented differences are evened out here: reading a Parameter's attribute gives its
array (so a script asks for Parameter objects by `get_parameter`, which torch has too), and
gradients come from `gradion.backward`, since there is no tape.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

import gradion
from gradion import module as gradion_module
from gradion import nn
from gradion.module import containers, parametrizations
from gradion.module.buffer import Buffer
from gradion.module.hooks import global_hooks
from gradion.module.hooks.handle import RemovableHandle
from gradion.module.lazy import LazyModule
from module_cases.plain import Outcomes

__all__ = ["library"]


class _GradionLibrary(Outcomes):
    name = "gradion"
    Module = gradion_module.Module
    LazyModule = LazyModule
    Buffer = Buffer
    Sequential = containers.Sequential
    ModuleList = containers.ModuleList
    ModuleDict = containers.ModuleDict
    ParameterList = containers.ParameterList
    ParameterDict = containers.ParameterDict
    BatchNorm = nn.BatchNorm
    RemovableHandle = RemovableHandle
    globally = global_hooks
    parametrize = parametrizations

    float16, bfloat16 = jnp.float16, jnp.bfloat16
    float32, float64 = jnp.float32, jnp.float64
    int32, int64 = jnp.int32, jnp.int64

    def __init__(self) -> None:
        super().__init__(_value)

    def Parameter(self, values: Any, *, dtype: Any = jnp.float64, trainable: bool = True) -> Any:
        return gradion_module.Parameter(values, dtype=dtype, trainable=trainable)

    def Linear(self, in_features: int, out_features: int, bias: bool = True) -> Any:
        return nn.Linear(in_features, out_features, bias=bias, key=jax.random.key(0))

    def LazyLinear(self, out_features: int, bias: bool = True) -> Any:
        return nn.LazyLinear(out_features, bias=bias, key=jax.random.key(0))

    def array(self, values: Any, dtype: Any = jnp.float64) -> Any:
        return jnp.asarray(values, dtype=dtype)

    def uninitialized(self, dtype: Any = jnp.float64) -> Any:
        return gradion_module.Parameter.uninitialized(dtype=dtype)

    def materialize(self, parameter: Any, values: Any) -> None:
        parameter.materialize(values)

    def is_uninitialized(self, parameter: Any) -> bool:
        return parameter.is_uninitialized

    def is_parameter(self, thing: Any) -> bool:
        return isinstance(thing, gradion_module.Parameter)

    def is_array(self, thing: Any) -> bool:
        return isinstance(thing, jax.Array)

    def set_value(self, parameter: Any, values: Any) -> None:
        parameter.value = jnp.asarray(values, dtype=parameter.dtype)

    def trainable(self, parameter: Any) -> bool:
        return parameter.trainable

    def set_trainable(self, parameter: Any, trainable: bool) -> None:
        parameter.trainable = trainable

    def dtype(self, thing: Any) -> str:
        return str(thing.dtype)

    def entry(self, container: Any, key: Any) -> Any:
        """The Parameter object of a ParameterList or a ParameterDict."""
        return container.get_parameter(str(key))

    def backward(self, loss: Any, module: Any, *arrays: Any) -> None:
        gradion.backward(loss, module, *arrays)

    def input_gradient(self, function: Any, array: Any) -> Any:
        """Gradient of a scalar function of an array; `backward` leaves inputs alone."""
        return jax.grad(function)(array)

    def exp(self, array: Any) -> Any:
        return jnp.exp(array)

    def log(self, array: Any) -> Any:
        return jnp.log(array)

    def cast(self, array: Any, dtype: Any) -> Any:
        return array.astype(dtype)

    def stack(self, arrays: Any) -> Any:
        return jnp.stack(list(arrays))

    def relu(self) -> Any:
        return nn.Activation(jax.nn.relu)


def _value(thing: Any) -> Any:
    if isinstance(thing, gradion_module.Parameter):
        thing = thing.value
    return thing.tolist() if isinstance(thing, jax.Array) else NotImplemented


def library() -> Any:
    """gradion's adapter."""
    return _GradionLibrary()
