"""Derivatives of operations with subgraphs: taken through these."""

from __future__ import annotations

from typing import Final

import numpy as np

from gradion.graph.graph import Tensor, TensorType
from gradion.graph.prune import prune
from gradion.graph.sparse.block import Block, routed
from gradion.graph.sparse.dense import apply_local, dense
from gradion.graph.sparse.derivative_graph import DerivativeGraph
from gradion.graph.sparse.entries import Entries, ordered
from gradion.graph.sparse.picking import pick
from gradion.graph.sparse.simplification import is_floating
from gradion.graph.sparse.step import Blocks, Step

__all__ = ["branch", "custom", "scan"]

# Operations up to which the rounds of a loop are written out, which keeps zeros apart.
_MOST_UNROLLED: Final = 2000


def custom(step: Step) -> list[Blocks]:
    """By the function's own rule: the derivatives of the tangents that it gives."""
    operation = step.operation
    if len(operation.subgraphs) < 2:
        return dense(step)
    rule = operation.subgraphs[1]
    places = [i for i, tensor in enumerate(operation.inputs) if is_floating(tensor)]
    # A rule is linear in the tangents: their values do not matter to its derivative.
    tangents = [step.graph.filled(0, operation.inputs[i].type) for i in places]
    still: list[Blocks] = [[] for _ in operation.inputs]
    _, found = step.propagate(
        rule,
        [*operation.inputs, *tangents],
        [*still, *(list(step.blocks[i]) for i in places)],
    )
    moved = iter(found[len(operation.outputs) :])
    return [next(moved) if is_floating(tensor) else [] for tensor in operation.outputs]


def scan(step: Step) -> list[Blocks]:
    """Round by round where that is short, else by the dense Jacobian."""
    given = step.operation.attributes
    (body,) = step.operation.subgraphs
    length, first = given["length"], given["n_constants"]
    last = first + given["n_carries"]
    if length * len(body) > _MOST_UNROLLED:
        return dense(step)
    inputs, blocks = step.operation.inputs, step.blocks
    tensors, derivatives = list(inputs[first:last]), [list(b) for b in blocks[first:last]]
    rows: list[list[Blocks]] = [[] for _ in range(length)]
    order = range(length)[::-1] if given["reverse"] else range(length)
    for number in order:
        taken = [_row(step, place, number) for place in range(last, len(inputs))]
        tensors, derivatives = step.propagate(
            body,
            [*inputs[:first], *tensors, *(tensor for tensor, _ in taken)],
            [*map(list, blocks[:first]), *derivatives, *(b for _, b in taken)],
        )
        n_carries = last - first
        tensors, derivatives, rows[number] = (
            tensors[:n_carries],
            derivatives[:n_carries],
            derivatives[n_carries:],
        )
    stacked: list[Blocks] = []
    for k, tensor in enumerate(step.operation.outputs[last - first :]):
        size = tensor.type.size // length if length else 0
        stacked.append(
            [
                Block(block.values, block.rows + number * size, block.columns)
                for number, row in enumerate(rows)
                for block in row[k]
            ]
        )
    return [*derivatives, *stacked]


def branch(step: Step) -> list[Blocks]:
    """A conditional of the branches' Jacobians, each with the entries of all."""
    index, *operands = step.operation.inputs
    outputs = step.operation.outputs
    dtype = str(np.result_type(*(t.dtype for t in outputs if is_floating(t))))
    starts = np.cumsum([0, *(tensor.type.size for tensor in outputs)])
    made = []
    for subgraph in step.operation.subgraphs:
        graph, found = step.differentiate(subgraph, [place - 1 for place in step.active])
        blocks = [
            Block(block.values, block.rows + start, block.columns)
            for start, of_output in zip(starts, found, strict=False)
            for block in of_output
        ]
        made.append((graph, ordered(graph, blocks, dtype)))
    codes = np.unique(np.concatenate([entries.codes for _, entries in made]))
    if not len(codes):
        return [[] for _ in outputs]
    for graph, entries in made:
        graph.graph.outputs = [_spread(graph, entries, codes)]
    (values,) = step.graph.add_all(
        "cond",
        [index, *operands],
        [TensorType(dtype, (len(codes),))],
        dict(step.operation.attributes),
        [prune(graph.graph) for graph, _ in made],
    )
    rows, columns = codes >> 32, codes & (2**32 - 1)
    result: list[Blocks] = [[] for _ in outputs]
    first = 0
    for place in step.active:
        last = first + step.operation.inputs[place].type.size
        for number, start in enumerate(starts[:-1]):
            stop = starts[number + 1]
            mine = (rows >= start) & (rows < stop) & (columns >= first) & (columns < last)
            (of,) = np.nonzero(mine)
            if len(of):
                part = pick(step.graph, values, of)
                blocks = step.blocks[place]
                result[number] += apply_local(
                    step, part, rows[of] - start, columns[of] - first, blocks
                )
        first = last
    return result


def _row(step: Step, place: int, number: int) -> tuple[Tensor, Blocks]:
    """A row of an array, with its derivatives."""
    tensor = step.operation.inputs[place]
    shape = tensor.type.numbers
    zeros = [0] * (len(shape) - 1)
    part = step.graph.add(
        "slice",
        [tensor],
        TensorType(tensor.dtype, (1, *shape[1:])),
        start_indices=(number, *zeros),
        limit_indices=(number + 1, *shape[1:]),
        strides=(1,) * len(shape),
    )
    sources = np.arange(tensor.type.size).reshape(shape)[number]
    found = [routed(step.graph, b, sources, tensor.type.size) for b in step.blocks[place]]
    return step.graph.reshape(part, shape[1:]), [b for b in found if b is not None]


def _spread(graph: DerivativeGraph, entries: Entries, codes: np.ndarray) -> Tensor:
    """The values at all of these entries: 0 where there was none."""
    zero = graph.constant(np.zeros(1, entries.values.dtype))
    n = len(entries.codes)
    made = TensorType(entries.values.dtype, (n + 1,))
    every = graph.add("concatenate", [entries.values, zero], made, dimension=0)
    places = np.searchsorted(entries.codes, codes)
    there = np.isin(codes, entries.codes)
    return pick(graph, every, np.where(there, places, n))
