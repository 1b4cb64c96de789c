"""Entries of a sparse derivative whose values are one tensor."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from gradion.graph.graph import Tensor, TensorType
from gradion.graph.sparse.derivative_graph import DerivativeGraph
from gradion.graph.sparse.picking import factored, pick, strides_of

__all__ = ["Block", "collapsed", "joined_pairs", "merged", "relabelled", "routed"]


@final
@dataclass(frozen=True, eq=False)
class Block:
    """Some of the derivatives of a tensor's elements with respect to the columns.

    `values` has the derivative of element `rows[k]` (flat index) with respect to column
    `columns[k]` at the place k, in any shape: a diagonal has that of the tensor. An entry may
    occur in several blocks, and twice in one: the derivative is the sum.
    """

    values: Tensor
    rows: np.ndarray
    columns: np.ndarray

    @functools.cached_property
    def codes(self) -> np.ndarray:
        """A number for row and column."""
        return (self.rows.astype(np.int64) << 32) | self.columns


def routed(graph: DerivativeGraph, block: Block, sources: np.ndarray, n_rows: int) -> Block | None:
    """The derivatives of a tensor whose element j is element `sources[j]` of the block's tensor.

    Negative sources are of nothing; `n_rows` is the size of the block's tensor. None if nothing of
    the block is left.
    """
    flat = sources.ravel()
    split = _by_rows(block)
    if split is None:
        targets, entries = joined_pairs(flat, block.rows.ravel())
        if not len(targets):
            return None
        return Block(pick(graph, block.values, entries), targets, block.columns.ravel()[entries])
    rows, entries = split
    position = np.full(n_rows + 1, -1)
    position[rows] = np.arange(len(rows))
    where = position[np.where(flat < 0, n_rows, flat)]
    targets = np.flatnonzero(where >= 0)
    if not len(targets):
        return None
    shape = _box(targets, sources.shape)
    picked = entries[where[targets]]
    inner = picked.shape[1:]
    picked = picked.reshape((*shape, *inner))
    spread = np.broadcast_to(targets.reshape((*shape, *(1 for _ in inner))), picked.shape)
    return Block(pick(graph, block.values, picked), spread, block.columns.ravel()[picked])


def relabelled(graph: DerivativeGraph, block: Block, targets: np.ndarray) -> Block | None:
    """The derivatives of sums: element i of the block's tensor is added to element `targets[i]`.

    Negative targets are of nothing. None if nothing of the block is left.
    """
    rows = targets.ravel()[block.rows]
    if (rows >= 0).all():
        return collapsed(graph, Block(block.values, rows, block.columns))
    kept = np.flatnonzero(rows.ravel() >= 0)
    if not len(kept):
        return None
    values = pick(graph, block.values, kept)
    return Block(values, rows.ravel()[kept], block.columns.ravel()[kept])


def collapsed(graph: DerivativeGraph, block: Block) -> Block:
    """The block with axes summed along which all are one entry."""
    axes = tuple(
        axis
        for axis, n in enumerate(block.rows.shape)
        if n > 1 and _still(block.rows, axis) and _still(block.columns, axis)
    )
    if not axes:
        return block
    first = tuple(0 if axis in axes else slice(None) for axis in range(block.rows.ndim))
    rows, columns = block.rows[first], block.columns[first]
    number = graph.number(block.values)
    made = TensorType(block.values.dtype, rows.shape)
    if number is not None:
        count = block.rows.size // rows.size
        return Block(graph.filled(float(number) * count, made), rows, columns)
    return Block(graph.add("reduce_sum", [block.values], made, axes=axes), rows, columns)


def merged(graph: DerivativeGraph, blocks: Sequence[Block]) -> list[Block]:
    """The blocks, those added that share entries in an orderly way."""
    result: list[Block] = []
    for given in blocks:
        block, other = given, 0
        while other < len(result):
            found = _sum(graph, result[other], block)
            if found is None:
                other += 1
            else:
                del result[other]
                block, other = found, 0
        result.append(block)
    return result


def joined_pairs(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of all pairs of equal keys; negative keys of the left have no partner."""
    order = np.argsort(right, kind="stable")
    keys = right[order]
    begin = np.searchsorted(keys, left, "left")
    counts = np.where(left < 0, 0, np.searchsorted(keys, left, "right") - begin)
    first = np.repeat(np.arange(len(left)), counts)
    within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, order[np.repeat(begin, counts) + within]


def _still(indices: np.ndarray, axis: int) -> bool:
    return bool((indices == indices.take([0], axis)).all())


def _by_rows(block: Block) -> tuple[np.ndarray, np.ndarray] | None:
    """Different rows, and for each the places of its entries; None if they are not so orderly."""
    still = [a for a, n in enumerate(block.rows.shape) if n > 1 and _still(block.rows, a)]
    moving = [a for a in range(block.rows.ndim) if a not in still]
    first = tuple(0 if a in still else slice(None) for a in range(block.rows.ndim))
    rows = block.rows[first].ravel()
    if len(np.unique(rows)) < len(rows):
        return None
    places = np.arange(block.rows.size).reshape(block.rows.shape)
    inner = [block.rows.shape[a] for a in still]
    return rows, places.transpose(*moving, *still).reshape((len(rows), *inner))


def _box(targets: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape for ascending flat indices: that of a box in an array if they are one."""
    if len(targets) == math.prod(shape):
        return shape
    sides = [len(np.unique(c)) for c in np.unravel_index(targets, shape)]
    if math.prod(sides) == len(targets):
        return tuple(sides)
    return factored(targets) or (len(targets),)


def _sum(graph: DerivativeGraph, a: Block, b: Block) -> Block | None:
    """Two blocks as one; None if they share nothing, or not a slab of both."""
    if a.codes.ndim != b.codes.ndim or a.values.dtype != b.values.dtype:
        return None
    if a.codes.shape == b.codes.shape and np.array_equal(a.codes, b.codes):
        return Block(graph.add("add", [a.values, b.values], a.values.type), a.rows, a.columns)
    if a.codes.min() > b.codes.max() or b.codes.min() > a.codes.max():
        return None
    slab_a, slab_b = _slab(np.isin(a.codes, b.codes)), _slab(np.isin(b.codes, a.codes))
    if slab_a is None or slab_b is None:
        return None
    axis = max(slab_a[0], slab_b[0])
    if axis < 0 or (min(slab_a[0], slab_b[0]) not in (-1, axis)):
        return None
    n_a, n_b = a.codes.shape[axis], b.codes.shape[axis]
    start_a, stop_a = slab_a[1:] if slab_a[0] >= 0 else (0, n_a)
    start_b, stop_b = slab_b[1:] if slab_b[0] >= 0 else (0, n_b)
    if (start_a and start_b) or (stop_a < n_a and stop_b < n_b):
        return None
    shared_a, shared_b = (
        _part(graph, block, axis, start, stop)
        for block, start, stop in ((a, start_a, stop_a), (b, start_b, stop_b))
    )
    if not np.array_equal(shared_a.codes, shared_b.codes):
        return None
    both = graph.add("add", [shared_a.values, shared_b.values], shared_a.values.type)
    parts = [
        _part(graph, a, axis, 0, start_a),
        _part(graph, b, axis, 0, start_b),
        Block(both, shared_a.rows, shared_a.columns),
        _part(graph, a, axis, stop_a, n_a),
        _part(graph, b, axis, stop_b, n_b),
    ]
    return _joined(graph, [part for part in parts if part.rows.size], axis)


def _slab(shared: np.ndarray) -> tuple[int, int, int] | None:
    """The axis along which a part is shared, and from where to where; axis -1 if all is."""
    if shared.all():
        return -1, 0, 0
    for axis in range(shared.ndim):
        line = np.moveaxis(shared, axis, -1).reshape(-1, shared.shape[axis])
        if not (line == line[0]).all():
            continue
        inside = np.flatnonzero(line[0])
        if len(inside) and inside[-1] - inside[0] + 1 == len(inside):
            return axis, int(inside[0]), int(inside[-1]) + 1
    return None


def _part(graph: DerivativeGraph, block: Block, axis: int, start: int, stop: int) -> Block:
    index = [slice(None)] * block.rows.ndim
    index[axis] = slice(start, stop)
    where = tuple(index)
    rows, columns = block.rows[where], block.columns[where]
    if rows.shape == block.rows.shape:
        return block
    if not rows.size:
        return Block(block.values, rows, columns)
    places = np.arange(block.rows.size).reshape(block.rows.shape)[where]
    return Block(pick(graph, block.values, places), rows, columns)


def _joined(graph: DerivativeGraph, parts: Sequence[Block], axis: int) -> Block | None:
    rows = np.concatenate([part.rows for part in parts], axis)
    columns = np.concatenate([part.columns for part in parts], axis)
    if strides_of(rows) is None or strides_of(columns) is None:
        # Together they would be worse to pick from than apart.
        return None
    made = TensorType(parts[0].values.dtype, rows.shape)
    tensors = [part.values for part in parts]
    values = (
        tensors[0] if len(tensors) == 1 else graph.add("concatenate", tensors, made, dimension=axis)
    )
    return Block(values, rows, columns)
