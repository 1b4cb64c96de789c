"""What passes ask of dtypes, given by their names."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

__all__ = ["holds", "is_floating", "is_integral", "same_bits"]


def is_floating(name: str) -> bool:
    """Whether numbers of this dtype are rounded."""
    return bool(jnp.issubdtype(jnp.dtype(name), jnp.inexact))


def is_integral(name: str) -> bool:
    """Whether these are integers, with or without sign; truth values are not."""
    return bool(jnp.issubdtype(jnp.dtype(name), jnp.integer))


def same_bits(array: np.ndarray, number: Any) -> bool:
    """Whether a number of rank 0 has the bits of this one in its dtype."""
    return array.tobytes() == np.asarray(number, array.dtype).tobytes()


def holds(wide: str, narrow: str) -> bool:
    """Whether every number of the dtype `narrow` is one of the dtype `wide`."""
    large, small = np.dtype(jnp.dtype(wide)), np.dtype(jnp.dtype(narrow))
    if large == small or small == np.bool_:
        return True
    if large == np.bool_ or (is_floating(narrow) and is_integral(wide)):
        return False
    if is_floating(narrow):
        a, b = jnp.finfo(large), jnp.finfo(small)
        return bool(a.nmant >= b.nmant and a.maxexp >= b.maxexp and a.minexp <= b.minexp)
    integers = jnp.iinfo(small)
    if is_floating(wide):
        most: int = 2 ** (int(jnp.finfo(large).nmant) + 1)
        return bool(integers.max <= most and -most <= integers.min)
    bounds = jnp.iinfo(large)
    return bool(bounds.min <= integers.min and integers.max <= bounds.max)
