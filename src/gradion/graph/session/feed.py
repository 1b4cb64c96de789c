"""What a tensor is fed with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError
from gradion.graph.build import Variable
from gradion.graph.graph import Graph, Tensor
from gradion.graph.operand import AbstractOperand
from gradion.graph.session.errors import line_of
from gradion.graph.session.fetch_tree import find_tensor

__all__ = ["Feed", "fed_arrays", "fed_tensor"]

# What has an array's value as it is; asked for first, because asking what is of JAX is slow.
_PLAIN: Final = frozenset({bool, int, float, np.bool_, np.int64, np.float64, np.ndarray})
# NumPy's kinds of objects, text and times.
_NO_NUMBERS: Final = "OSUMm"


@final
class Feed:
    """A fed tensor, its dtype, and its shape; None where a size is not known."""

    __slots__ = ("dtype", "shape", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.dtype = np.dtype(jnp.dtype(tensor.dtype))
        known = all(isinstance(size, int) for size in tensor.shape)
        self.shape: tuple[int, ...] | None = tensor.type.numbers if known else None

    def array(self, value: Any) -> Any:
        """A value as an array of this dtype and shape, of NumPy or of JAX.

        A dtype becomes another one of its kind, or of a wider kind, as in NumPy; an integer must
        fit. Raises TypeError for what is no array and for a dtype of another kind, InputError for
        another shape.
        """
        if type(value) in _PLAIN:
            array: Any = self._converted(np.asarray(value))
        elif isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
            array = value if value.dtype == self.dtype else self._converted(np.asarray(value))
        else:
            array = self._converted(self._plain(value))
        if self.shape is not None and array.shape != self.shape:
            raise InputError(
                f"{self.tensor.name!r} is fed an array of shape {array.shape}, "
                f"expected {self.shape}",
                where=line_of(self.tensor.operation),
            )
        return array

    def _plain(self, value: Any) -> np.ndarray:
        if isinstance(value, AbstractOperand | jax.core.Tracer):
            raise TypeError(
                f"{self.tensor.name!r} is fed {value!r}, which has no value; feed an array"
            )
        try:
            # As an array of its own kind: given the dtype, NumPy would cut 2.7 to 2.
            return np.asarray(value)
        except ValueError as error:
            raise InputError(f"{self.tensor.name!r} is fed what is no array: {error}") from error

    def _converted(self, array: np.ndarray) -> np.ndarray:
        if array.dtype == self.dtype:
            return array
        if array.dtype.kind in _NO_NUMBERS:
            raise self._misfit(array.dtype)
        if array.dtype.kind in "iu" and self.dtype.kind in "iu":
            made = array.astype(self.dtype)
            if not np.array_equal(made, array):
                raise TypeError(f"{self.tensor.name!r} is fed an integer beyond {self.dtype}")
            return made
        # Nothing in it has a kind: an empty list has the dtype float64.
        if array.size and not jnp.can_cast(array.dtype, self.dtype, casting="same_kind"):
            raise self._misfit(array.dtype)
        return array.astype(self.dtype)

    def _misfit(self, dtype: np.dtype) -> TypeError:
        return TypeError(
            f"{self.tensor.name!r} holds {self.dtype} and is fed {dtype}; convert it first"
        )


def fed_arrays(feeds: Sequence[Feed], values: Iterable[Any]) -> list[Any]:
    """The values as arrays of the feeds; raises what `Feed.array` raises."""
    arrays = []
    for feed, value in zip(feeds, values, strict=True):
        # NumPy has one object for each dtype of its own, so that `is` finds most equal ones.
        fits = type(value) is np.ndarray and value.dtype is feed.dtype
        if not fits or value.shape != feed.shape:
            value = feed.array(value)
        arrays.append(value)
    return arrays


def fed_tensor(graph: Graph, key: Any) -> Tensor:
    """The tensor that a key of a feed dictionary means: itself, or its name.

    Raises TypeError for another key, ValueError for a tensor of another graph, InputError for an
    unknown name.
    """
    if isinstance(key, str):
        return find_tensor(graph, key)
    if isinstance(key, Variable):
        raise TypeError(f"{key!r} cannot be fed: restore a value, or feed the tensor that reads it")
    if not isinstance(key, Tensor):
        raise TypeError(f"cannot feed {key!r} of type {type(key).__name__}: expected a tensor")
    if key.graph is not graph:
        raise ValueError(f"{key!r} is of another graph than the session")
    return key
