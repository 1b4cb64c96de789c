"""Values above zero."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import jax
import jax.numpy as jnp

from gradion.foundation.errors import InputError
from gradion.module.meta import ParameterMeta
from gradion.module.parametrizations.parametrization import AbstractParametrization

__all__ = ["Positive"]


@final
class Positive(AbstractParametrization):
    """value = exp(original) > 0, or with `softplus` value = log(1 + exp(original)).

    The exponential makes equal steps of the original equal factors of the value: take it for what
    spans decades. The softplus is the identity far above 1. The original, of the shape of the
    value, has unit "1", no bounds and no prior. Below the smallest float the value is 0.
    """

    def __init__(self, *, softplus: bool = False) -> None:
        super().__init__()
        self.softplus = softplus

    def forward(self, *originals: jax.Array) -> jax.Array:
        (original,) = originals
        return jax.nn.softplus(original) if self.softplus else jnp.exp(original)

    def right_inverse(self, value: jax.Array) -> jax.Array:
        """The original of a value; InputError if an entry of it is not above zero."""
        if not isinstance(value, jax.core.Tracer) and not bool(jnp.all(value > 0)):
            raise InputError(
                f"Positive: got {jnp.min(value)!s}, expected values above 0",
                mend="give other values, or use Bounded",
            )
        if self.softplus:
            # log(exp(value) - 1), for small and large values alike.
            return value + jnp.log(-jnp.expm1(-value))
        return jnp.log(value)

    def original_meta(self, meta: ParameterMeta) -> ParameterMeta:
        """Source and trainability only."""
        return replace(meta, unit="1", bounds=None, prior=None)

    def extra_repr(self) -> str:
        """Which map it is."""
        return "softplus=True" if self.softplus else ""
