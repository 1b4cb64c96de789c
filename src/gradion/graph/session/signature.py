"""What runs together: fetches and feeds, and the part of the graph between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.session.errors import UnfedPlaceholderError
from gradion.graph.session.fetch_tree import Target, VariableValue
from gradion.graph.state import add_read
from gradion.graph.subgraph import subgraph

__all__ = ["RunSignature"]


@final
@dataclass(frozen=True)
class RunSignature:
    """Targets, operations and feeds of one graph, each sorted by name."""

    targets: tuple[Target, ...]
    operations: tuple[Operation, ...]
    feeds: tuple[Tensor, ...]

    def part(self, graph: Graph) -> Graph:
        """The graph whose inputs are the feeds and whose outputs are the targets.

        Raises UnfedPlaceholderError if a placeholder is needed that is no feed.
        """
        wanted: Sequence[Tensor | Operation] = [
            target.operation if isinstance(target, VariableValue) else target
            for target in (*self.targets, *self.operations)
        ]
        part = subgraph(graph, wanted, self.feeds)
        unfed = part.inputs[len(self.feeds) :]
        if unfed:
            raise UnfedPlaceholderError.of(graph.operation(unfed[0].operation.name).outputs[0])
        tensors = iter(part.outputs)
        part.outputs = [
            # Added behind everything else: it reads what the run leaves.
            add_read(part, part.operation(target.name))
            if isinstance(target, VariableValue)
            else next(tensors)
            for target in self.targets
        ]
        return part
