"""One operation on the way from the inputs to the derivatives, and what its rule may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from gradion.graph.capture import capture_flat
from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.operation_table import frozen, structure
from gradion.graph.operators import KINDS
from gradion.graph.sparse.block import Block
from gradion.graph.sparse.derivative_graph import DerivativeGraph

__all__ = ["Blocks", "Differentiate", "LocalDerivatives", "Propagate", "Rule", "Step"]

# The derivative of one tensor.
Blocks = list[Block]
# A graph written out on tensors whose derivatives are known: its outputs and their derivatives.
Propagate = Callable[[Graph, Sequence[Tensor], Sequence[Blocks]], tuple[list[Tensor], list[Blocks]]]
# A graph differentiated by some of its inputs, given by their places: a graph of the same inputs,
# and the derivative of each output by the elements of those, counted over all of them.
Differentiate = Callable[[Graph, Sequence[int]], tuple[DerivativeGraph, list[Blocks]]]


@final
class LocalDerivatives:
    """Graphs of derivatives of single operations, each traced once."""

    def __init__(self) -> None:
        self._graphs: dict[Any, Graph] = {}

    def graph(
        self, name: str, operation: Operation, place: int, function: Callable[..., Sequence[Any]]
    ) -> Graph:
        """A function of the operation's inputs, told apart by its name and the input's place."""
        types = [(t.dtype, t.shape) for t in operation.inputs]
        bodies = tuple(map(structure, operation.subgraphs))
        key = (name, place, operation.kind, frozen(operation.attributes), tuple(types), bodies)
        if key not in self._graphs:
            shapes = [jax.ShapeDtypeStruct(shape, dtype) for dtype, shape in types]
            names = [f"input_{i}" for i in range(len(shapes))]
            self._graphs[key] = capture_flat(function, shapes, names)
        return self._graphs[key]


@final
@dataclass(frozen=True)
class Step:
    """An operation of the graph of derivatives, with the derivatives of its inputs.

    `propagate` takes derivatives through a subgraph, `differentiate` takes those of a subgraph.
    """

    graph: DerivativeGraph
    operation: Operation
    blocks: Sequence[Blocks]
    local: LocalDerivatives
    propagate: Propagate
    differentiate: Differentiate

    @property
    def active(self) -> list[int]:
        """The places of the inputs that have derivatives."""
        return [i for i, blocks in enumerate(self.blocks) if blocks]

    def run(self, inputs: Sequence[Any]) -> list[jax.Array]:
        """The operation in JAX."""
        return list(KINDS[self.operation.kind].evaluate(self.operation, inputs))

    def of_input(self, place: int, inputs: Sequence[Any]) -> Callable[[Any], list[jax.Array]]:
        """Its floating results as a function of one input."""

        def function(x: Any) -> list[jax.Array]:
            found = self.run([*inputs[:place], x, *inputs[place + 1 :]])
            return [y for y in found if jnp.issubdtype(y.dtype, jnp.floating)]

        return function


# The derivatives of the results.
Rule = Callable[[Step], list[Blocks]]
