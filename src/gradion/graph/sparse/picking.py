"""Elements of a tensor at places that are known when the graph is made.

Where the places follow a pattern of strides, slices and reshapes pick them: the C++ back end makes
views of these, which cost nothing. Any others are gathered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradion.graph.graph import Tensor, TensorType
from gradion.graph.sparse.derivative_graph import DerivativeGraph

__all__ = ["factored", "pick", "strides_of"]

# An axis of what is picked: its size, and the distance of its elements in memory.
_Axis = tuple[int, int]


def pick(graph: DerivativeGraph, tensor: Tensor, places: np.ndarray) -> Tensor:
    """The elements at flat (row-major) indices, in the shape of these; at least one."""
    made = TensorType(tensor.dtype, places.shape)
    number = graph.number(tensor)
    if number is not None:
        return graph.filled(number, made)
    strides = strides_of(places)
    if strides is None:
        shape = factored(places.ravel())
        if shape is None:
            return _gather(graph, tensor, places)
        return graph.reshape(pick(graph, tensor, places.reshape(shape)), places.shape)
    found = _strided(graph, tensor, places, strides)
    return _gather(graph, tensor, places) if found is None else found


def strides_of(places: np.ndarray) -> tuple[int, ...] | None:
    """The stride along each axis; None if the places do not follow one pattern."""
    first = places.flat[0]
    strides = []
    expected = np.asarray(first)
    for axis, n in enumerate(places.shape):
        second = [0] * places.ndim
        second[axis] = 1
        strides.append(int(places[tuple(second)] - first) if n > 1 else 0)
        expected = expected[..., None] + strides[-1] * np.arange(n)
    return tuple(strides) if np.array_equal(expected, places) else None


def factored(places: np.ndarray) -> tuple[int, ...] | None:
    """A shape in which flat places follow a pattern of strides; None if there is none."""
    if len(places) == 1:
        return ()
    steps = np.diff(places)
    odd = np.flatnonzero(steps != steps[0])
    if not len(odd):
        return (len(places),)
    n = int(odd[0]) + 1
    if n == 1 or len(places) % n:
        return None
    rows = places.reshape(-1, n)
    if not np.array_equal(rows - rows[:, :1], np.broadcast_to(rows[0] - rows[0, 0], rows.shape)):
        return None
    outer = factored(rows[:, 0])
    return None if outer is None else (*outer, n)


def _strided(
    graph: DerivativeGraph, tensor: Tensor, places: np.ndarray, strides: Sequence[int]
) -> Tensor | None:
    moving = [axis for axis, stride in enumerate(strides) if stride]
    backwards = [axis for axis in moving if strides[axis] < 0]
    first = int(np.flip(places, tuple(backwards)).flat[0])
    order = sorted(moving, key=lambda axis: -abs(strides[axis]))
    axes = [(places.shape[axis], abs(strides[axis])) for axis in order]
    found = _sliced(graph, tensor, first, axes)
    if found is None:
        found = _unfolded(graph, tensor, first, axes)
    if found is None:
        return None
    flips = tuple(order.index(axis) for axis in backwards)
    if flips:
        found = graph.add("rev", [found], found.type, dimensions=flips)
    permutation = tuple(order.index(axis) for axis in moving)
    if permutation != tuple(range(len(order))):
        shape = tuple(places.shape[axis] for axis in moving)
        made = TensorType(found.dtype, shape)
        found = graph.add("transpose", [found], made, permutation=permutation)
    if math.prod(found.type.numbers) == places.size:
        return graph.reshape(found, places.shape)
    made = TensorType(found.dtype, places.shape)
    return graph.add(
        "broadcast_in_dim",
        [found],
        made,
        shape=places.shape,
        broadcast_dimensions=tuple(moving),
    )


def _sliced(
    graph: DerivativeGraph, tensor: Tensor, first: int, axes: Sequence[_Axis]
) -> Tensor | None:
    """By a slice of the tensor as it is: each axis along one of its own, in their order."""
    shape = tensor.type.numbers
    own = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    starts = [int(i) for i in np.unravel_index(first, shape)] if shape else []
    limits, steps = [start + 1 for start in starts], [1] * len(shape)
    free = 0
    for n, stride in axes:
        for axis in range(free, len(shape)):
            step, odd = divmod(stride, own[axis])
            last = starts[axis] + step * (n - 1)
            if step and not odd and last < shape[axis]:
                limits[axis], steps[axis], free = last + 1, step, axis + 1
                break
        else:
            return None
    part = _slice(graph, tensor, starts, limits, steps)
    return graph.reshape(part, [n for n, _ in axes])


def _unfolded(
    graph: DerivativeGraph, tensor: Tensor, first: int, axes: Sequence[_Axis]
) -> Tensor | None:
    """By reshapes of the flat tensor, in which each stride becomes the length of a row."""
    found = graph.reshape(tensor, [math.prod(tensor.type.numbers)])
    outer: list[int] = []
    for number, (n, stride) in enumerate(axes):
        size = found.type.numbers[-1]
        whole = number == len(axes) - 1
        if whole:
            span = (n - 1) * stride + 1
            begin = first
        else:
            span = n * stride
            begin = min(first, size - span)
        if begin < 0 or begin + span > size:
            return None
        zeros, ones = [0] * len(outer), [1] * len(outer)
        limits = [*outer, begin + span]
        found = _slice(graph, found, [*zeros, begin], limits, [*ones, stride if whole else 1])
        first -= begin
        if not whole:
            outer.append(n)
            found = graph.reshape(found, [*outer, stride])
    return found


def _slice(
    graph: DerivativeGraph,
    tensor: Tensor,
    starts: Sequence[int],
    limits: Sequence[int],
    steps: Sequence[int],
) -> Tensor:
    shape = tuple(
        -(-(stop - start) // step) for start, stop, step in zip(starts, limits, steps, strict=True)
    )
    if shape == tensor.shape:
        return tensor
    return graph.add(
        "slice",
        [tensor],
        TensorType(tensor.dtype, shape),
        start_indices=tuple(starts),
        limit_indices=tuple(limits),
        strides=tuple(steps),
    )


def _gather(graph: DerivativeGraph, tensor: Tensor, places: np.ndarray) -> Tensor:
    flat = graph.reshape(tensor, [math.prod(tensor.type.numbers)])
    indices = graph.constant(places.astype(np.int32)[..., None])
    numbers = {
        "offset_dims": [],
        "collapsed_slice_dims": [0],
        "start_index_map": [0],
        "operand_batching_dims": [],
        "start_indices_batching_dims": [],
    }
    return graph.add(
        "gather",
        [flat, indices],
        TensorType(tensor.dtype, places.shape),
        dimension_numbers=numbers,
        slice_sizes=(1,),
        mode="PROMISE_IN_BOUNDS",
        fill_value=None,
    )
