"""Which operations of a graph the sum of rows by segment takes over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import jax

from gradion.graph.graph import Operation
from gradion.graph.passes import OperatorRule, spread_number
from gradion.numerics.kernels.segment_sum import segment_sum

__all__ = ["SEGMENT_SUM_RULE"]

_DTYPES: Final = frozenset({"float32", "float64"})


def _choose(operation: Operation) -> Callable[..., Sequence[jax.Array]] | None:
    """A scatter-add of whole rows into zeros, as `jax.ops.segment_sum` makes it."""
    zeros, indices, updates = operation.inputs
    numbers, n_axes = operation.attributes["dimension_numbers"], updates.type.numbers
    rows = {
        "update_window_dims": list(range(1, len(n_axes))),
        "inserted_window_dims": [0],
        "scatter_dims_to_operand_dims": [0],
        "operand_batching_dims": [],
        "scatter_indices_batching_dims": [],
    }
    start = spread_number(zeros)
    if (
        updates.dtype not in _DTYPES
        or indices.dtype != "int32"
        or {key: list(value) for key, value in numbers.items()} != rows
        or n_axes[1:] != zeros.type.numbers[1:]  # whole rows
        or indices.type.numbers != (n_axes[0], 1)
        # A row that points nowhere is left out here too.
        or operation.attributes["mode"] != "FILL_OR_DROP"
        or start is None
        or start != 0
    ):
        return None
    n_segments = zeros.type.numbers[0]

    def sums(_zeros: jax.Array, indices: jax.Array, updates: jax.Array) -> list[jax.Array]:
        return [segment_sum(updates, indices[:, 0], n_segments=n_segments)]

    return sums


SEGMENT_SUM_RULE: Final = OperatorRule("segment sum", "scatter_add", _choose)
