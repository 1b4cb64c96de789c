"""Placeholders and constants of the current graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradion.foundation.dimension import Dimension, Size
from gradion.graph.build.context import context_for, user_line
from gradion.graph.context import joined
from gradion.graph.graph import Tensor, TensorType

__all__ = ["constant", "placeholder"]


def placeholder(
    dtype: Any, shape: Sequence[int | str | None] = (), *, name: str = "placeholder"
) -> Tensor:
    """A tensor that is fed.

    A size is a number, the name of an unknown size, or None: an unknown size that all placeholders
    of the graph share that have None at the same axis (`n_0` at the first one). Unknown sizes are
    at least 1; two of them are equal only if their names are.

    Raises TypeError for a dtype that is none, ValueError for a size that is none of these.
    """
    context = context_for(None)
    sizes = tuple(_size(size, axis) for axis, size in enumerate(shape))
    path = joined(context.scope, name)
    return context.graph.add(
        "placeholder",
        (),
        (TensorType(jnp.dtype(dtype).name, sizes),),
        name=context.graph.free_name(path),
        scope=context.scope,
        source=user_line(),
        control_inputs=context.control_inputs,
    ).outputs[0]


def constant(value: Any, *, dtype: Any = None, name: str = "constant") -> Tensor:
    """An array as a part of the graph; without `dtype`, that which JAX gives it."""
    context = context_for(None)
    array = np.asarray(jnp.asarray(value, dtype))
    path = joined(context.scope, name)
    return context.graph.add(
        "constant",
        (),
        (TensorType(array.dtype.name, array.shape),),
        name=context.graph.free_name(path),
        value=array,
        scope=context.scope,
        source=user_line(),
        control_inputs=context.control_inputs,
    ).outputs[0]


def _size(size: int | str | None, axis: int) -> Size:
    if size is None:
        return Dimension(f"n_{axis}")
    if isinstance(size, str) and size.isidentifier():
        return Dimension(size)
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    raise ValueError(f"a size is a number, a name or None; got {size!r} at axis {axis}")
