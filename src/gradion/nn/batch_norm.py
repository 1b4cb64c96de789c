"""Normalisation over the examples of a batch."""

from __future__ import annotations

import math
from typing import final

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from gradion.foundation.errors import InputError
from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.nn.shape_error import ShapeError

__all__ = ["BatchNorm", "normalised"]


@final
class BatchNorm(Module):
    """y = (x - mean) / sqrt(var + eps) weight + bias for each channel, axis 1 of x.

    x: (batch, num_features, ...), y alike. In training, and in evaluation too unless
    `track_running_stats`, mean and (biased) variance are those of x over all other axes. In
    training the buffers `running_mean` and `running_var` move towards mean and unbiased variance
    of x by the fraction `momentum`, or with None are their averages over all batches;
    `num_batches_tracked` counts these. In evaluation they take the place of those of x. Unless
    `affine` there are no weight and bias. As PyTorch's BatchNorm1d, 2d and 3d.

    Call it in training through gradion's transformations, which carry buffers back; no gradient
    flows into these. Raises ShapeError for an x of other shape, InputError for statistics of one
    number a channel.
    """

    running_mean: Array
    running_var: Array
    num_batches_tracked: Array

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: DTypeLike = jnp.float32,
    ) -> None:
        super().__init__()
        if num_features < 0:
            raise InputError(f"BatchNorm: got num_features={num_features}, expected 0 or more")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        ones, zeros = jnp.ones(num_features, dtype), jnp.zeros(num_features, dtype)
        self.register_parameter("weight", Parameter(ones) if affine else None)
        self.register_parameter("bias", Parameter(zeros) if affine else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros if tracked else None)
        self.register_buffer("running_var", ones if tracked else None)
        self.register_buffer("num_batches_tracked", jnp.zeros((), int) if tracked else None)

    def forward(
        self, x: Float[Array, "batch channels *rest"]
    ) -> Float[Array, "batch channels *rest"]:
        if x.ndim < 2 or x.shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm: got x of shape {x.shape}, expected (batch, {self.num_features}, ...)"
            )
        if self.track_running_stats and not self.training:
            mean, variance = self.running_mean, self.running_var
        else:
            axes = (0, *range(2, x.ndim))
            count = math.prod(x.shape[axis] for axis in axes)
            if count == 1:
                raise InputError(
                    f"BatchNorm: got x of shape {x.shape}, expected more than one number for each "
                    "channel",
                    mend="give a larger batch or call eval()",
                )
            mean, variance = jnp.mean(x, axes), jnp.var(x, axes)
            if self.training and self.track_running_stats:
                self._track(mean, variance * (count / max(count - 1, 1)))
        return normalised(x, mean, variance, self.weight, self.bias, self.eps)

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        if self.track_running_stats:
            self.running_mean = jnp.zeros_like(self.running_mean)
            self.running_var = jnp.ones_like(self.running_var)
            self.num_batches_tracked = jnp.zeros_like(self.num_batches_tracked)

    def extra_repr(self) -> str:
        """Sizes and options."""
        return (
            f"{self.num_features}, eps={self.eps:g}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )

    def _track(self, mean: Array, variance: Array) -> None:
        """Move the running statistics towards those of one batch."""
        self.num_batches_tracked = self.num_batches_tracked + 1
        fraction = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        for name, new in (("running_mean", mean), ("running_var", variance)):
            old = getattr(self, name)
            moved = (1 - fraction) * old + fraction * jax.lax.stop_gradient(new)
            setattr(self, name, moved.astype(old.dtype))


def normalised(
    x: Float[Array, "batch channels *rest"],
    mean: Float[Array, " channels"],
    variance: Float[Array, " channels"],
    weight: Float[Array, " channels"] | None,
    bias: Float[Array, " channels"] | None,
    eps: float,
) -> Float[Array, "batch channels *rest"]:
    """(x - mean) / sqrt(variance + eps) weight + bias, each channel with its own numbers."""
    shape = (1, -1, *(1 for _ in x.shape[2:]))
    scale = jax.lax.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    y = (x - mean.reshape(shape)) * scale.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)
