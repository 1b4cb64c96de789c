"""Derivatives of all tensors of a graph, operation by operation, from its inputs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import numpy as np

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.operators import ELEMENTWISE_KINDS
from gradion.graph.prune import needed
from gradion.graph.sparse.block import Block, merged
from gradion.graph.sparse.control import branch, custom, scan
from gradion.graph.sparse.dense import dense
from gradion.graph.sparse.derivative_graph import DerivativeGraph
from gradion.graph.sparse.moving import move, reduce, running, scatter_add
from gradion.graph.sparse.pointwise import elementwise
from gradion.graph.sparse.product import product
from gradion.graph.sparse.simplification import is_floating
from gradion.graph.sparse.step import Blocks, LocalDerivatives, Rule, Step

__all__ = ["differentiate"]

_MOVING: Final = (
    *("broadcast_in_dim", "concatenate", "dynamic_slice", "dynamic_update_slice", "gather"),
    *(
        "identity",
        "pad",
        "reshape",
        "rev",
        "scatter",
        "slice",
        "split",
        "squeeze",
        "stack",
        "tile",
        "transpose",
    ),
    "unstack",
)
# Any other kind is differentiated as it stands, as if each result depended on each element.
_RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(ELEMENTWISE_KINDS, elementwise),
    **dict.fromkeys(_MOVING, move),
    **dict.fromkeys(("reduce_max", "reduce_min", "reduce_prod", "reduce_sum"), reduce),
    **dict.fromkeys(("cummax", "cummin", "cumprod", "cumsum"), running),
    "scatter_add": scatter_add,
    "dot_general": product,
    "cond": branch,
    "custom_jvp": custom,
    "scan": scan,
    "stop_gradient": lambda step: [[] for _ in step.operation.outputs],
}


def differentiate(graph: Graph, wanted: Sequence[int]) -> tuple[DerivativeGraph, list[Blocks]]:
    """A graph of the same inputs, and the derivative of each output by some of them.

    `wanted` are the places of the floating inputs whose elements are the columns, in this order.
    """
    return _Propagation(LocalDerivatives()).of_inputs(graph, wanted)


@final
class _Propagation:
    def __init__(self, local: LocalDerivatives) -> None:
        self._graph = DerivativeGraph()
        self._local = local

    def of_inputs(
        self, graph: Graph, wanted: Sequence[int]
    ) -> tuple[DerivativeGraph, list[Blocks]]:
        inputs = [self._graph.take(tensor.operation, ())[0] for tensor in graph.inputs]
        blocks: list[Blocks] = [[] for _ in inputs]
        first = 0
        for place in wanted:
            kind = inputs[place].type
            if kind.size:
                rows = np.arange(kind.size).reshape(kind.numbers)
                blocks[place].append(Block(self._graph.filled(1, kind), rows, rows + first))
            first += kind.size
        return self._graph, self.through(graph, inputs, blocks)[1]

    def through(
        self, graph: Graph, inputs: Sequence[Tensor], blocks: Sequence[Blocks]
    ) -> tuple[list[Tensor], list[Blocks]]:
        """The graph written out on tensors whose derivatives are known."""
        tensors = dict(zip(graph.inputs, inputs, strict=True))
        derivatives = dict(zip(graph.inputs, blocks, strict=True))
        for operation in needed(graph):
            if operation.kind == "placeholder":
                continue
            given = [tensors[tensor] for tensor in operation.inputs]
            self._graph.scope, self._graph.source = operation.scope, operation.source
            made = self._graph.take(operation, given)
            found = self._step(made, operation, [derivatives[t] for t in operation.inputs])
            for old, new, derivative in zip(operation.outputs, made, found, strict=True):
                tensors[old] = new
                derivatives[old] = derivative
        return [tensors[t] for t in graph.outputs], [derivatives[t] for t in graph.outputs]

    def _step(
        self, made: Sequence[Tensor], operation: Operation, blocks: list[Blocks]
    ) -> list[Blocks]:
        if not any(blocks) or not any(is_floating(t) for t in operation.outputs):
            return [[] for _ in operation.outputs]
        step = Step(
            self._graph,
            made[0].operation,
            blocks,
            self._local,
            self.through,
            lambda graph, wanted: _Propagation(self._local).of_inputs(graph, wanted),
        )
        found = _RULES.get(operation.kind, dense)(step)
        return [
            [b for b in merged(self._graph, of_output) if b.rows.size and self._counts(b)]
            if is_floating(tensor)
            else []
            for tensor, of_output in zip(operation.outputs, found, strict=True)
        ]

    def _counts(self, block: Block) -> bool:
        number = self._graph.number(block.values)
        return number is None or number != 0
