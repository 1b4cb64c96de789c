"""Derivatives of products of arrays: the entries of a factor times the elements of the other."""

from __future__ import annotations

import math

import numpy as np

from gradion.graph.sparse.block import Block, collapsed, merged
from gradion.graph.sparse.picking import pick
from gradion.graph.sparse.step import Blocks, Step

__all__ = ["product"]


def product(step: Step) -> list[Blocks]:
    """The entries of both factors; known zeros of a factor make none."""
    found: Blocks = []
    for place in step.active:
        for block in step.blocks[place]:
            made = _of_block(step, place, block)
            if made is not None:
                found.append(made)
    return [merged(step.graph, found)]


def _of_block(step: Step, place: int, block: Block) -> Block | None:
    (out,) = step.operation.outputs
    own = _roles(step, place)
    other = _roles(step, 1 - place)
    factor = step.operation.inputs[1 - place]
    _, n_sum, n_own = own.shape
    n_other = other.shape[2]
    # The batch, the summed and the free index of each row of the block.
    at = np.empty(own.size, np.int64)
    at[own.ravel()] = np.arange(own.size)
    index = at[block.rows]
    b, s, free = index // (n_sum * n_own), index // n_own % n_sum, index % n_own
    places = other[b, s]
    others = np.arange(n_other)
    if place == 0:
        rows = ((b * n_own + free) * n_other)[..., None] + others
    else:
        # The free index of the left factor varies slowest in the result.
        places = np.moveaxis(places, -1, 0)
        spread = others.reshape((n_other, *(1 for _ in range(block.rows.ndim))))
        rows = (b * n_other + spread) * n_own + free
    entries = np.arange(block.rows.size).reshape(block.rows.shape)
    if place == 0:
        entries = entries[..., None]
    entries = np.broadcast_to(entries, rows.shape)
    known = step.graph.known(factor)
    if known is not None and not known.all():
        kept = np.flatnonzero(known.ravel()[places.ravel()])
        if not len(kept):
            return None
        places, rows, entries = places.ravel()[kept], rows.ravel()[kept], entries.ravel()[kept]
    values = step.graph.multiply(
        step.graph.convert(pick(step.graph, block.values, entries), out.dtype),
        step.graph.convert(pick(step.graph, factor, places), out.dtype),
    )
    return collapsed(step.graph, Block(values, rows, block.columns.ravel()[entries]))


def _roles(step: Step, place: int) -> np.ndarray:
    """The flat indices of a factor by batch, summed and free index."""
    contracted, batched = step.operation.attributes["dimension_numbers"]
    shape = step.operation.inputs[place].type.numbers
    of_batch, of_sum = list(batched[place]), list(contracted[place])
    free = [axis for axis in range(len(shape)) if axis not in (*of_batch, *of_sum)]
    n_batch, n_sum, n_free = (
        math.prod(shape[axis] for axis in axes) for axes in (of_batch, of_sum, free)
    )
    places = np.arange(math.prod(shape)).reshape(shape).transpose(*of_batch, *of_sum, *free)
    return places.reshape(n_batch, n_sum, n_free)
