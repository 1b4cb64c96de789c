"""Values between two bounds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import final

import jax
import jax.numpy as jnp

from gradion.foundation.errors import InputError
from gradion.module.meta import ParameterMeta
from gradion.module.parametrizations.parametrization import AbstractParametrization

__all__ = ["Bounded"]


@final
class Bounded(AbstractParametrization):
    """value = low + (high - low) s(original), with the logistic s(x) = 1 / (1 + exp(-x)).

    `low` < `high`, both finite, in the unit of the value. A bound is reached only by rounding,
    and the gradient vanishes towards it. The original, of the shape of the value, has unit "1",
    no bounds and no prior.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"Bounded: got low={low!r} and high={high!r}, expected low < high")
        self.low = float(low)
        self.high = float(high)

    def forward(self, *originals: jax.Array) -> jax.Array:
        (original,) = originals
        value = self.low + (self.high - self.low) * jax.nn.sigmoid(original)
        # Rounding can leave the interval, where the gradient is 0 already.
        return jnp.clip(value, self.low, self.high)

    def right_inverse(self, value: jax.Array) -> jax.Array:
        """The original of a value; InputError if an entry of it is not between the bounds."""
        inside = (value > self.low) & (value < self.high)
        if not isinstance(value, jax.core.Tracer) and not bool(jnp.all(inside)):
            outside = value[~inside].ravel()[0]
            raise InputError(
                f"Bounded: got {outside!s}, expected values between {self.low:g} and "
                f"{self.high:g}, which are excluded",
                mend="give other values or other bounds",
            )
        return jnp.log((value - self.low) / (self.high - value))

    def original_meta(self, meta: ParameterMeta) -> ParameterMeta:
        """Source and trainability only."""
        return replace(meta, unit="1", bounds=None, prior=None)

    def extra_repr(self) -> str:
        """The bounds."""
        return f"low={self.low:g}, high={self.high:g}"
