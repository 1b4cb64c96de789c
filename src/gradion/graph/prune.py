"""The part of a graph that its outputs need."""

from __future__ import annotations

from gradion.graph.graph import Graph, Operation, Tensor

__all__ = ["needed", "prune"]


def needed(graph: Graph) -> list[Operation]:
    """The operations that the outputs need, in order."""
    wanted = {tensor.operation for tensor in graph.outputs}
    for operation in reversed(graph.operations):
        if operation in wanted:
            wanted.update(tensor.operation for tensor in operation.inputs)
    return [operation for operation in graph if operation in wanted]


def prune(graph: Graph) -> Graph:
    """A graph with the same inputs and outputs, and only what these need between them."""
    pruned = Graph()
    known: dict[Tensor, Tensor] = {
        tensor: pruned.placeholder(tensor.type, name=tensor.operation.name)
        for tensor in graph.inputs
    }
    for operation in needed(graph):
        if operation.kind == "placeholder":
            continue
        copy = pruned.add(
            operation.kind,
            [known[tensor] for tensor in operation.inputs],
            [tensor.type for tensor in operation.outputs],
            name=operation.name,
            attributes=operation.attributes,
            subgraphs=operation.subgraphs,
            value=operation.value,
            scope=operation.scope,
            source=operation.source,
        )
        known.update(zip(operation.outputs, copy.outputs, strict=True))
    pruned.outputs = [known[tensor] for tensor in graph.outputs]
    pruned.signature = graph.signature
    return pruned
