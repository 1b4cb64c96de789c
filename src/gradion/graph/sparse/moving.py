"""Derivatives of operations that only move elements or add them up: the rows get other numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import jax
import numpy as np

from gradion.graph.graph import Graph, Operation
from gradion.graph.operators import KINDS
from gradion.graph.sparse.block import Block, joined_pairs, merged, relabelled, routed
from gradion.graph.sparse.dense import dense
from gradion.graph.sparse.picking import pick
from gradion.graph.sparse.step import Blocks, Step

__all__ = ["move", "reduce", "running", "scatter_add"]

# Which inputs are moved, where others say to where.
_MOVED: Final[dict[str, tuple[int, ...]]] = {
    "gather": (0,),
    "dynamic_slice": (0,),
    "dynamic_update_slice": (0, 1),
    "scatter": (0, 2),
}


def move(step: Step) -> list[Blocks]:
    """The entries at the places to which the elements go."""
    sources = _sources(step)
    if sources is None:
        return dense(step)
    found: list[Blocks] = []
    for result in sources:
        blocks: Blocks = []
        first = 0
        for place, tensor in enumerate(step.operation.inputs):
            size = tensor.type.size
            if place not in _moved(step.operation):
                continue
            mine = np.where((result >= first) & (result < first + size), result - first, -1)
            routes = [routed(step.graph, b, mine, size) for b in step.blocks[place]]
            blocks += [block for block in routes if block is not None]
            first += size
        found.append(blocks)
    return found


def reduce(step: Step) -> list[Blocks]:
    """Sums, products and extrema over axes: each element counts in one result."""
    source, (out,) = step.operation.inputs[0].type, step.operation.outputs
    axes = step.operation.attributes["axes"]
    places = np.arange(out.type.size).reshape(out.type.numbers)
    targets = np.broadcast_to(np.expand_dims(places, tuple(axes)), source.numbers)
    partial = None
    if step.operation.kind != "reduce_sum":

        def function(*inputs: Any) -> list[Any]:
            total = step.of_input(0, inputs)
            return [jax.grad(lambda x: total(x)[0].sum())(inputs[0])]

        local = step.local.graph("gradient", step.operation, 0, function)
        (partial,) = step.graph.inline(local, step.operation.inputs)
    found: Blocks = []
    for block in step.blocks[0]:
        values = block.values
        if partial is not None:
            values = step.graph.multiply(values, pick(step.graph, partial, block.rows))
        made = relabelled(step.graph, Block(values, block.rows, block.columns), targets)
        if made is not None:
            found.append(made)
    return [merged(step.graph, found)]


def running(step: Step) -> list[Blocks]:
    """Running sums and the like: an element counts in those behind it."""
    shape = step.operation.inputs[0].type.numbers
    given = step.operation.attributes
    axis, backwards = given["axis"], given["reverse"]
    places = np.arange(math.prod(shape)).reshape(shape)
    lines = np.moveaxis(places, axis, -1).reshape(-1, shape[axis])
    before, after = np.tril_indices(shape[axis])[::-1]
    if backwards:
        before, after = after, before
    rows, columns = lines[:, after].ravel(), lines[:, before].ravel()
    if step.operation.kind != "cumsum":
        return dense(step, (rows, columns))
    found: Blocks = []
    for block in step.blocks[0]:
        pairs, entries = joined_pairs(columns, block.rows.ravel())
        values = pick(step.graph, block.values, entries)
        found.append(Block(values, rows[pairs], block.columns.ravel()[entries]))
    return [found]


def scatter_add(step: Step) -> list[Blocks]:
    """The entries of the array where they are, those of the updates where they are added."""
    array, indices, updates = step.operation.inputs
    known = step.graph.known(indices)
    if known is None:
        return dense(step)
    zeros = np.zeros(array.type.numbers)

    def added(x: Any) -> Any:
        return step.run([zeros, known, x])[0]

    # The transpose reads, for each update, the element that it is added to; 0 for none.
    numbers = np.arange(1.0, array.type.size + 1).reshape(array.type.numbers)
    (read,) = jax.vjp(added, np.zeros(updates.type.numbers))[1](numbers)
    targets = np.asarray(read).astype(np.int64) - 1
    found = list(step.blocks[0])
    for block in step.blocks[2]:
        made = relabelled(step.graph, block, targets)
        if made is not None:
            found.append(made)
    return [merged(step.graph, found)]


def _moved(operation: Operation) -> Sequence[int]:
    return _MOVED.get(operation.kind, tuple(range(len(operation.inputs))))


def _sources(step: Step) -> list[np.ndarray] | None:
    """For each element of each result the number of the element that it is, counted over all moved.

    Negative for none. None if what says where elements go is not known.
    """
    operation = step.operation
    arrays: list[Any] = []
    first = 0
    for place, tensor in enumerate(operation.inputs):
        if place in _moved(operation):
            size = tensor.type.size
            arrays.append(np.arange(first, first + size).reshape(tensor.type.numbers))
            first += size
        else:
            arrays.append(step.graph.known(tensor))
    if any(x is None for x in arrays):
        return None
    if operation.kind in _SIMPLE:
        return [_SIMPLE[operation.kind](operation.attributes, arrays)]
    attributes = dict(operation.attributes)
    if "fill_value" in attributes:
        attributes["fill_value"] = -1
    moved = Graph().add(operation.kind, (), (), attributes=attributes)
    found = KINDS[operation.kind].evaluate(moved, arrays)
    return [np.asarray(x) for x in found]


def _slice(given: dict[str, Any], arrays: list[Any]) -> np.ndarray:
    bounds = zip(given["start_indices"], given["limit_indices"], given["strides"], strict=True)
    return arrays[0][tuple(slice(*bound) for bound in bounds)]


def _broadcast(given: dict[str, Any], arrays: list[Any]) -> np.ndarray:
    sizes = [1] * len(given["shape"])
    for axis, n in zip(given["broadcast_dimensions"], arrays[0].shape, strict=True):
        sizes[axis] = n
    return np.broadcast_to(arrays[0].reshape(sizes), given["shape"])


# The commonest once more in numpy: JAX compiles each of its own for 20 ms, and there are many.
_SIMPLE: Final = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda given, arrays: np.concatenate(arrays, given["dimension"]),
    "reshape": lambda given, arrays: arrays[0].reshape(given["new_sizes"]),
    "slice": _slice,
    "squeeze": lambda given, arrays: arrays[0].squeeze(tuple(given["dimensions"])),
}
