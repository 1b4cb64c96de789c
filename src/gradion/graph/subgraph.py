"""The part of a graph that a run needs."""

from __future__ import annotations

from collections.abc import Sequence

from gradion.graph.graph import Graph, Operation, Tensor

__all__ = ["subgraph"]


def subgraph(
    graph: Graph, fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor] = ()
) -> Graph:
    """What has to run for the fetches where the feeds are given, as a graph of its own.

    Any tensor can be fed. What only led to it does not run, nor what that had to wait for; its
    operation still runs where another result of it is needed, or something waits for it. The
    inputs are the feeds in their order, then the placeholders that are needed and not fed; the
    outputs are the tensors among the fetches, in their order. Operations keep their names, and a
    fed tensor has the name of its operation, where that does not run itself.

    Raises ValueError for a tensor or an operation of another graph, and for a tensor fed twice.
    """
    _require_own(graph, fetches, feeds)
    wanted = _wanted(graph, fetches, feeds)
    part = Graph()
    known: dict[Tensor, Tensor] = {}
    made: dict[Operation, Operation] = {}
    for tensor in feeds:
        source = tensor.operation
        runs = source in wanted and source.kind != "placeholder"
        name = f"{source.name}/fed_{tensor.index}" if runs or tensor.index else source.name
        known[tensor] = part.placeholder(tensor.type, name=name)
    for operation in graph:
        if operation not in wanted or any(t in known for t in _if_placeholder(operation)):
            continue
        made[operation] = copy = part.copy(
            operation,
            [known[tensor] for tensor in operation.inputs],
            control_inputs=[made[b] for b in operation.control_inputs if b in made],
        )
        for old, new in zip(operation.outputs, copy.outputs, strict=True):
            known.setdefault(old, new)
    part.outputs = [known[fetch] for fetch in fetches if isinstance(fetch, Tensor)]
    return part


def _wanted(
    graph: Graph, fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor]
) -> set[Operation]:
    fed = set(feeds)
    wanted = {
        fetch.operation if isinstance(fetch, Tensor) else fetch
        for fetch in fetches
        if not (isinstance(fetch, Tensor) and fetch in fed)
    }
    for operation in reversed(graph.operations):
        if operation in wanted:
            wanted.update(t.operation for t in operation.inputs if t not in fed)
            wanted.update(operation.control_inputs)
    return wanted


def _if_placeholder(operation: Operation) -> tuple[Tensor, ...]:
    return operation.outputs if operation.kind == "placeholder" else ()


def _require_own(
    graph: Graph, fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor]
) -> None:
    own = set(graph)
    for item in (*fetches, *feeds):
        operation = item.operation if isinstance(item, Tensor) else item
        if operation not in own:
            raise ValueError(f"{item!r} is of another graph")
    twice = [tensor for tensor in feeds if list(feeds).count(tensor) > 1]
    if twice:
        raise ValueError(f"{twice[0].name} is fed twice")
