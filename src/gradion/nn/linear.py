"""Affine map over the last axis."""

from __future__ import annotations

import math
from typing import final

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from gradion.foundation.errors import InputError
from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.nn.shape_error import ShapeError

__all__ = ["Linear", "affine", "first_values"]


@final
class Linear(Module):
    """y = x weight^T + bias, over the last axis of x.

    Parameters `weight` (out_features, in_features) and, unless `bias` is False, `bias`
    (out_features,); a `bias` that is left out is None. All are drawn uniformly from
    +-1/sqrt(in_features) with `key`, as in PyTorch. x: (..., in_features), y: (..., out_features).
    Raises InputError for a size below 0, ShapeError for another last axis.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        key: Key[Array, ""],
        dtype: DTypeLike = jnp.float32,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        weight, shift = first_values(key, in_features, out_features, dtype)
        self.weight = Parameter(weight)
        self.register_parameter("bias", Parameter(shift) if bias else None)

    def forward(self, x: Float[Array, "... n_in"]) -> Float[Array, "... n_out"]:
        return affine(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def affine(
    x: Float[Array, "... n_in"],
    weight: Float[Array, "n_out n_in"],
    bias: Float[Array, " n_out"] | None,
) -> Float[Array, "... n_out"]:
    """x weight^T + bias. Raises ShapeError where the last axis of x does not fit."""
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(f"Linear: got x of shape {x.shape}, expected (..., {weight.shape[1]})")
    y = x @ weight.T
    return y if bias is None else y + bias


def first_values(
    key: Key[Array, ""], n_in: int, n_out: int, dtype: DTypeLike
) -> tuple[Float[Array, "n_out n_in"], Float[Array, " n_out"]]:
    """Weight and bias to start from, uniform in +-1/sqrt(n_in)."""
    if n_in < 0 or n_out < 0:
        raise InputError(f"Linear: got {n_in} inputs and {n_out} outputs, expected 0 or more")
    bound = 1 / math.sqrt(n_in) if n_in else 0.0
    for_weight, for_bias = jax.random.split(key)
    weight = jax.random.uniform(for_weight, (n_out, n_in), dtype, -bound, bound)
    bias = jax.random.uniform(for_bias, (n_out,), dtype, -bound, bound)
    return weight, bias
