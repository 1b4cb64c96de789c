"""torch as the scripts see it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as global_registrations
from torch.nn.utils import parametrize

from module_cases.plain import Outcomes

__all__ = ["library"]


class _Lazy(nn.modules.lazy.LazyModuleMixin, nn.Module):
    """What a class of the scripts derives from to be lazy."""


class _TorchLibrary(Outcomes):
    name = "torch"
    Module = nn.Module
    LazyModule = _Lazy
    Buffer = nn.Buffer
    Sequential = nn.Sequential
    ModuleList = nn.ModuleList
    ModuleDict = nn.ModuleDict
    ParameterList = nn.ParameterList
    ParameterDict = nn.ParameterDict
    Linear = nn.Linear
    LazyLinear = nn.LazyLinear
    BatchNorm = nn.BatchNorm1d
    RemovableHandle = torch.utils.hooks.RemovableHandle
    globally = global_registrations
    parametrize = parametrize

    float16, bfloat16 = torch.float16, torch.bfloat16
    float32, float64 = torch.float32, torch.float64
    int32, int64 = torch.int32, torch.int64

    def __init__(self) -> None:
        super().__init__(_value)

    def Parameter(self, values: Any, *, dtype: Any = torch.float64, trainable: bool = True) -> Any:
        return nn.Parameter(torch.tensor(values, dtype=dtype), requires_grad=trainable)

    def array(self, values: Any, dtype: Any = torch.float64) -> Any:
        return torch.tensor(values, dtype=dtype)

    def uninitialized(self, dtype: Any = torch.float64) -> Any:
        return nn.UninitializedParameter(dtype=dtype)

    def materialize(self, parameter: Any, values: Any) -> None:
        numbers = torch.tensor(values, dtype=parameter.dtype)
        parameter.materialize(numbers.shape)
        self.set_value(parameter, numbers)

    def is_uninitialized(self, parameter: Any) -> bool:
        return nn.parameter.is_lazy(parameter)

    def is_parameter(self, thing: Any) -> bool:
        return isinstance(thing, nn.Parameter)

    def is_array(self, thing: Any) -> bool:
        return isinstance(thing, torch.Tensor)

    def set_value(self, parameter: Any, values: Any) -> None:
        with torch.no_grad():
            parameter.copy_(torch.as_tensor(values, dtype=parameter.dtype))

    def trainable(self, parameter: Any) -> bool:
        return parameter.requires_grad

    def set_trainable(self, parameter: Any, trainable: bool) -> None:
        parameter.requires_grad = trainable

    def dtype(self, thing: Any) -> str:
        return str(thing.dtype).removeprefix("torch.")

    def entry(self, container: Any, key: Any) -> Any:
        """The Parameter object of a ParameterList or a ParameterDict."""
        return container[key]

    def backward(self, loss: Any, module: Any, *arrays: Any) -> None:
        loss(module, *arrays).backward()

    def input_gradient(self, function: Any, array: Any) -> Any:
        """Gradient of a scalar function of an array; `backward` leaves inputs alone."""
        array = array.clone().requires_grad_()
        function(array).backward()
        return array.grad

    def exp(self, array: Any) -> Any:
        return torch.exp(array)

    def log(self, array: Any) -> Any:
        return torch.log(array)

    def cast(self, array: Any, dtype: Any) -> Any:
        return array.to(dtype)

    def stack(self, arrays: Any) -> Any:
        return torch.stack(list(arrays))

    def relu(self) -> Any:
        return nn.ReLU()


def _value(thing: Any) -> Any:
    return thing.detach().tolist() if isinstance(thing, torch.Tensor) else NotImplemented


def library() -> Any:
    """torch's adapter."""
    return _TorchLibrary()
