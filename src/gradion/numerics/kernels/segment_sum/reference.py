"""The sum of rows by segment in JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

__all__ = ["reference"]


def reference(
    values: Float[Array, "n width"], segments: Int32[Array, " n"], *, n_segments: int
) -> Float[Array, "n_segments width"]:
    """See `segment_sum`."""
    # Negative ones would count from the end.
    segments = jnp.where(segments < 0, n_segments, segments)
    return jax.ops.segment_sum(values, segments, n_segments)
