"""A graph in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from gradion.graph.graph import Graph, Operation
from gradion.graph.render.families import family_of
from gradion.graph.render.regions import Region, predecessors, regions
from gradion.graph.render.text import shorten, subgraph_names, value_text
from gradion.graph.render.theme import HEADS

__all__ = ["to_dot"]


def to_dot(graph: Graph) -> str:
    """A graph for Graphviz, one of `dot -Tsvg`: scopes, branches and loops as clusters."""
    lines = [
        "digraph graph_ {",
        # Ranks of the whole at once: dot 2.43 fails on clusters within clusters without.
        '  graph [newrank=true, fontname="Helvetica", fontsize=11];',
        '  node [shape=box, style="filled,rounded", fontname="Helvetica", fontsize=11];',
        '  node [fontcolor=white, color="#00000000"];',
        '  edge [color="#8d98a8", fontname="Helvetica", fontsize=9, arrowsize=0.6];',
    ]
    lines += [f"  {line}" for line in _Writer().graph(graph)]
    return "\n".join([*lines, "}\n"])


@final
class _Writer:
    """Numbers nodes and clusters: names of the graph stand in labels only."""

    def __init__(self) -> None:
        self._count = 0
        self._nodes: dict[Operation, str] = {}

    def graph(self, graph: Graph) -> Iterator[str]:
        """Nodes, then edges, of a graph and its subgraphs."""
        yield from self._region(regions(graph, graph.operations))
        for operation in graph:
            yield from self._edges(operation, graph)
        for place, tensor in enumerate(graph.outputs):
            node = self._name("n")
            yield f'{node} [label="output {place}", fillcolor="#155e75"];'
            yield self._edge(tensor.operation, node, str(tensor.type))

    def _region(self, region: Region) -> Iterator[str]:
        for child in region.children:
            if isinstance(child, Region):
                yield from self._cluster("/".join(child.path[len(region.path) :]))
                for line in self._region(child):
                    yield f"  {line}"
                yield "}"
            else:
                yield from self._node(child)

    def _cluster(self, title: str) -> Iterator[str]:
        yield f"subgraph {self._name('cluster_')} {{"
        yield f'  label={_quoted(title)}; style="filled,rounded"; color="#b9c2d0";'
        yield '  fillcolor="#54688a14";'

    def _node(self, operation: Operation) -> Iterator[str]:
        node = self._nodes[operation] = self._name("n")
        label = f"{operation.name}\n{operation.kind}"
        if operation.value is not None:
            label = f"{operation.name}\n{value_text(operation.value, 24)}"
        colour = HEADS[family_of(operation.kind)]
        line = f'{node} [label={_quoted(label)}, fillcolor="{colour}"];'
        if not operation.subgraphs:
            yield line
            return
        yield from self._cluster(operation.name)
        yield f"  {line}"
        for name, subgraph in zip(subgraph_names(operation), operation.subgraphs, strict=True):
            for inner in (*self._cluster(name), *self.graph(subgraph), "}"):
                yield f"  {inner}"
        yield "}"

    def _edges(self, operation: Operation, graph: Graph) -> Iterator[str]:
        node = self._nodes[operation]
        for tensor in operation.inputs:
            yield self._edge(tensor.operation, node, str(tensor.type))
        givers = {tensor.operation for tensor in operation.inputs}
        for before in predecessors(operation, graph):
            if before not in givers:
                yield f"{self._nodes[before]} -> {node} [style=dashed];"

    def _edge(self, source: Operation, node: str, text: str) -> str:
        return f"{self._nodes[source]} -> {node} [label={_quoted(text)}];"

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def _quoted(text: str) -> str:
    """A string of the language, a line a line: a backslash there begins an escape."""
    joined = "\\n".join(
        shorten(line, 60).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n")
    )
    return f'"{joined}"'
