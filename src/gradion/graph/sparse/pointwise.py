"""Derivatives of elementwise operations: each entry times the partial derivative of its row."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph.graph import Tensor, TensorType
from gradion.graph.sparse.block import Block, routed
from gradion.graph.sparse.picking import pick
from gradion.graph.sparse.step import Blocks, Step

__all__ = ["elementwise"]


def elementwise(step: Step) -> list[Blocks]:
    """The entries of all inputs, each scaled."""
    (out,) = step.operation.outputs
    found: Blocks = []
    for place in step.active:
        blocks = _spread(step, place)
        if step.operation.kind == "select_n":
            found += [_selected(step, place, block) for block in blocks]
            continue
        partial = _partial(step, place)
        number = step.graph.number(partial)
        if number is not None and number == 0:
            continue
        for block in blocks:
            values = step.graph.convert(block.values, out.dtype)
            factor = pick(step.graph, partial, block.rows)
            found.append(Block(step.graph.multiply(values, factor), block.rows, block.columns))
    return [found]


def _spread(step: Step, place: int) -> Blocks:
    """The blocks of an input in the shape of the result: a number serves all elements."""
    shape = step.operation.outputs[0].type.numbers
    given = step.operation.inputs[place].type
    if given.shape == shape:
        return list(step.blocks[place])
    sources = np.broadcast_to(np.arange(given.size).reshape(given.numbers), shape)
    spread = [routed(step.graph, block, sources, given.size) for block in step.blocks[place]]
    return [block for block in spread if block is not None]


def _partial(step: Step, place: int) -> Tensor:
    """The derivative of each element of the result by its element of one input."""

    def function(*inputs: Any) -> list[Any]:
        x = inputs[place]
        of_input = step.of_input(place, inputs)
        return jax.jvp(of_input, (x,), (jnp.ones_like(x),))[1]

    local = step.local.graph("partial", step.operation, place, function)
    return step.graph.inline(local, step.operation.inputs)[0]


def _selected(step: Step, place: int, block: Block) -> Block:
    """The entries of a case where it is chosen, else 0: no product, since 0 * inf is not 0."""
    condition = step.operation.inputs[0]
    chosen = pick(step.graph, condition, np.broadcast_to(_rows(condition, block), block.rows.shape))
    made = TensorType(block.values.dtype, block.rows.shape)
    zero = step.graph.filled(0, made)
    cases = [zero] * (len(step.operation.inputs) - 1)
    cases[place - 1] = block.values
    return Block(step.graph.add("select_n", [chosen, *cases], made), block.rows, block.columns)


def _rows(condition: Tensor, block: Block) -> np.ndarray:
    return block.rows if condition.type.size > 1 else np.zeros((), np.int64)
