"""The entries of a sparse matrix in order, from blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from gradion.graph.graph import Tensor, TensorType
from gradion.graph.sparse.block import Block
from gradion.graph.sparse.derivative_graph import DerivativeGraph
from gradion.graph.sparse.picking import pick

__all__ = ["Entries", "ordered"]


@final
@dataclass(frozen=True, eq=False)
class Entries:
    """Values of entries in the order of rows, then of columns, each once."""

    values: Tensor
    rows: np.ndarray
    columns: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """A number for row and column, as blocks have it."""
        return (self.rows << 32) | self.columns


def ordered(graph: DerivativeGraph, blocks: Sequence[Block], dtype: str) -> Entries:
    """The entries of all blocks, those added that are of one place."""
    if not blocks:
        none = np.zeros(0, np.int64)
        return Entries(graph.constant(np.zeros(0, dtype)), none, none)
    flat = [graph.convert(graph.reshape(b.values, [b.rows.size]), dtype) for b in blocks]
    every = flat[0]
    codes = np.concatenate([block.codes.ravel() for block in blocks])
    if len(flat) > 1:
        made = TensorType(dtype, (len(codes),))
        every = graph.add("concatenate", flat, made, dimension=0)
    unique, first, where = np.unique(codes, return_index=True, return_inverse=True)
    values = pick(graph, every, first)
    more = np.ones(len(codes), bool)
    more[first] = False
    if more.any():
        places = np.flatnonzero(more)
        values = _added(graph, values, where[places], pick(graph, every, places))
    return Entries(values, unique >> 32, unique & (2**32 - 1))


def _added(graph: DerivativeGraph, array: Tensor, places: np.ndarray, updates: Tensor) -> Tensor:
    numbers = {
        "update_window_dims": [],
        "inserted_window_dims": [0],
        "scatter_dims_to_operand_dims": [0],
        "operand_batching_dims": [],
        "scatter_indices_batching_dims": [],
    }
    indices = graph.constant(places.astype(np.int32)[:, None])
    return graph.add(
        "scatter_add",
        [array, indices, graph.reshape(updates, [math.prod(updates.type.numbers)])],
        array.type,
        dimension_numbers=numbers,
        mode="PROMISE_IN_BOUNDS",
    )
