"""The pass that leaves out what the outputs do not need."""

from __future__ import annotations

from gradion.graph.graph import STATEFUL, Graph, Operation
from gradion.graph.passes.report import Log, PassReport, PassResult, count_operations

__all__ = ["prune_unused"]


def prune_unused(graph: Graph) -> PassResult:
    """Leave out operations that no output needs, in subgraphs too.

    Inputs stay, and so does what has an effect and what that needs: which effects are wanted is
    asked of a Session, not of a graph.
    """
    log = Log()
    pruned = _pruned(graph, log)
    before, after = count_operations(graph), count_operations(pruned)
    return PassResult(pruned, PassReport("prune", before, after, log.changes))


def _pruned(graph: Graph, log: Log) -> Graph:
    noted = len(log)
    kept = _kept(graph)
    written = Graph()
    made: dict[Operation, Operation] = {}
    for operation in graph:
        if operation not in kept:
            log.note(operation.name, "removed")
            continue
        inside = log.inside(operation)
        made[operation] = written.add(
            operation.kind,
            [made[tensor.operation].outputs[tensor.index] for tensor in operation.inputs],
            [tensor.type for tensor in operation.outputs],
            name=operation.name,
            attributes=operation.attributes,
            subgraphs=[_pruned(subgraph, inside) for subgraph in operation.subgraphs],
            value=operation.value,
            scope=operation.scope,
            source=operation.source,
            control_inputs=[made[before] for before in operation.control_inputs],
        )
    if len(log) == noted:
        return graph
    written.inputs = [made[tensor.operation].outputs[0] for tensor in graph.inputs]
    written.outputs = [made[t.operation].outputs[t.index] for t in graph.outputs]
    written.signature = graph.signature
    return written


def _kept(graph: Graph) -> set[Operation]:
    kept = {tensor.operation for tensor in (*graph.inputs, *graph.outputs)}
    kept.update(operation for operation in graph if operation.kind in STATEFUL)
    for operation in reversed(graph.operations):
        if operation in kept:
            kept.update(tensor.operation for tensor in operation.inputs)
            kept.update(operation.control_inputs)
    return kept
