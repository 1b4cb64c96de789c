"""Derivatives of operations of which nothing else is known: each result depends on each element."""

from __future__ import annotations

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph.graph import Tensor
from gradion.graph.sparse.block import Block, joined_pairs
from gradion.graph.sparse.picking import pick
from gradion.graph.sparse.simplification import is_floating
from gradion.graph.sparse.step import Blocks, Step
from gradion.graph.unsupported import UnsupportedOperationError

__all__ = ["apply_local", "dense"]

# Entries of an operation's dense Jacobian: more would be a mistake rather than a wish.
_MOST_ENTRIES: Final = 1_000_000

Entries = tuple[np.ndarray, np.ndarray]


def dense(step: Step, entries: Entries | None = None) -> list[Blocks]:
    """The product of the operation's own Jacobian with the derivatives of its inputs.

    `entries` are rows and columns outside of which the Jacobian of an operation of one input and
    one result is zero. Raises UnsupportedOperationError for an operation that is too large.
    """
    found: list[Blocks] = [[] for _ in step.operation.outputs]
    places = [i for i, tensor in enumerate(step.operation.outputs) if is_floating(tensor)]
    for place in step.active:
        n_columns = step.operation.inputs[place].type.size
        for number, jacobian in zip(places, _jacobians(step, place), strict=True):
            rows, columns = entries or _all(step.operation.outputs[number].type.size, n_columns)
            values = pick(step.graph, jacobian, rows * n_columns + columns)
            found[number] += apply_local(step, values, rows, columns, step.blocks[place])
    return found


def apply_local(
    step: Step, values: Tensor, rows: np.ndarray, columns: np.ndarray, blocks: Blocks
) -> Blocks:
    """The product of a sparse matrix, given by its entries, with derivatives."""
    found: Blocks = []
    for block in blocks:
        left, right = joined_pairs(columns, block.rows.ravel())
        if not len(left):
            continue
        product = step.graph.multiply(
            pick(step.graph, values, left),
            step.graph.convert(pick(step.graph, block.values, right), values.dtype),
        )
        found.append(Block(product, rows[left], block.columns.ravel()[right]))
    return found


def _jacobians(step: Step, place: int) -> list[Tensor]:
    operation = step.operation
    n_columns = operation.inputs[place].type.size
    for tensor in operation.outputs:
        if tensor.type.size * n_columns > _MOST_ENTRIES:
            what = f"its Jacobian has {tensor.type.size} x {n_columns} entries that may be nonzero"
            raise UnsupportedOperationError.of(operation.kind, operation.source, what=what)
    # A rule that is a vector-Jacobian product can only be asked for rows.
    take = jax.jacrev if operation.kind == "custom_vjp" else jax.jacfwd

    def function(*inputs: Any) -> list[Any]:
        shape = inputs[place].shape
        flat = jnp.ravel(inputs[place])
        of_input = step.of_input(place, inputs)
        return take(lambda x: [jnp.ravel(y) for y in of_input(x.reshape(shape))])(flat)

    local = step.local.graph("jacobian", operation, place, function)
    return step.graph.inline(local, operation.inputs)


def _all(n_rows: int, n_columns: int) -> Entries:
    places = np.arange(n_rows * n_columns)
    return places // n_columns, places % n_columns
