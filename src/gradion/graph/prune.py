"""The part of a graph that its outputs need."""

from __future__ import annotations

from gradion.graph.graph import Graph, Operation, Tensor

__all__ = ["needed", "prune"]


def needed(graph: Graph) -> list[Operation]:
    """The operations that the outputs need, in order; control inputs are needed too."""
    wanted = {tensor.operation for tensor in graph.outputs}
    for operation in reversed(graph.operations):
        if operation in wanted:
            wanted.update(tensor.operation for tensor in operation.inputs)
            wanted.update(operation.control_inputs)
    return [operation for operation in graph if operation in wanted]


def prune(graph: Graph) -> Graph:
    """A graph with the same inputs and outputs, and only what these need between them."""
    pruned = Graph()
    known: dict[Tensor, Tensor] = {
        tensor: pruned.copy(tensor.operation, ()).outputs[0] for tensor in graph.inputs
    }
    made = {t.operation: known[t].operation for t in graph.inputs}
    for operation in needed(graph):
        if operation.kind == "placeholder":
            continue
        made[operation] = copy = pruned.copy(
            operation,
            [known[tensor] for tensor in operation.inputs],
            control_inputs=[made[before] for before in operation.control_inputs],
        )
        known.update(zip(operation.outputs, copy.outputs, strict=True))
    pruned.outputs = [known[tensor] for tensor in graph.outputs]
    pruned.signature = graph.signature
    return pruned
