"""A Linear that takes its number of inputs from its first call."""

from __future__ import annotations

from typing import Any, final

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from gradion.module.lazy import LazyModule
from gradion.module.parameter import Parameter
from gradion.nn.linear import Linear, affine, first_values
from gradion.nn.shape_error import ShapeError

__all__ = ["LazyLinear"]


@final
class LazyLinear(LazyModule):
    """Becomes a `Linear` on its first call, with as many inputs as the last axis is long.

    It has the values then that `Linear(in_features, out_features, key=key)` has. The key is an
    attribute until then. It is no Linear before (in PyTorch it is a subclass of it).
    """

    cls_to_become = Linear

    def __init__(
        self,
        out_features: int,
        *,
        bias: bool = True,
        key: Key[Array, ""],
        dtype: DTypeLike = jnp.float32,
    ) -> None:
        super().__init__()
        self.in_features = 0
        self.out_features = out_features
        self.key = key
        self.weight = Parameter.uninitialized(dtype=dtype)
        self.register_parameter("bias", Parameter.uninitialized(dtype=dtype) if bias else None)

    def forward(self, x: Float[Array, "... n_in"]) -> Float[Array, "... n_out"]:
        return affine(x, self.weight, self.bias)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Draw weight and bias for the last axis of the argument; values loaded stay."""
        x = args[0] if args else kwargs["x"]
        if jnp.ndim(x) == 0:
            raise ShapeError("LazyLinear: got a number, expected an array of shape (..., n)")
        weight = self.get_parameter("weight")
        n_in = x.shape[-1] if weight.is_uninitialized else weight.shape[1]
        values = first_values(self.key, n_in, self.out_features, weight.dtype)
        for name, value in zip(("weight", "bias"), values, strict=True):
            parameter = self._parameters[name]
            if parameter is not None and parameter.is_uninitialized:
                parameter.materialize(value)
        self.in_features = n_in
        del self.key

    def extra_repr(self) -> str:
        """The sizes, as far as they are known."""
        has_bias = self._parameters["bias"] is not None
        return f"in_features=?, out_features={self.out_features}, bias={has_bias}"
