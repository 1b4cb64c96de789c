"""What a pass has done to a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from gradion.graph.graph import Graph, Operation

__all__ = ["Change", "Log", "PassReport", "PassResult", "count_operations"]


@final
@dataclass(frozen=True)
class Change:
    """One operation that is no longer there as it was.

    `operation` is its name, behind those of the operations whose subgraphs it is in, parted by
    "/"; `what` happened to it; `results` names the tensors that stand for its results now.
    """

    operation: str
    what: str
    results: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the change in one line."""
        now = f" -> {', '.join(self.results)}" if self.results else ""
        return f"{self.operation}: {self.what}{now}"


@final
@dataclass(frozen=True)
class PassReport:
    """What a pass, or a list of passes, has changed; `str` of it is a table.

    `n_before` and `n_after` count operations that compute, in subgraphs too. `parts` are the
    reports of the passes, one a run, where there were several.
    """

    name: str
    n_before: int
    n_after: int
    changes: tuple[Change, ...]
    parts: tuple[PassReport, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing was done, the most frequent first."""
        return dict(Counter(change.what for change in self.changes).most_common())

    def __str__(self) -> str:
        """Return a table with a line for each pass that changed something, and a total."""
        rows = [part for part in self.parts if part.changes]
        rows = [*rows, self] if self.parts else [self]
        width = max(len(row.name) for row in rows)
        lines = [f"{'pass':<{width}}  before  after  changes"]
        for row in rows:
            done = ", ".join(f"{count} {what}" for what, count in row.counts.items())
            lines.append(f"{row.name:<{width}}  {row.n_before:6}  {row.n_after:5}  {done or '-'}")
        return "\n".join(lines)


@final
@dataclass(frozen=True)
class PassResult:
    """A graph, and how it came to be; the graph that was given, where nothing was changed."""

    graph: Graph
    report: PassReport


@final
class Log:
    """Collects changes of a graph and of its subgraphs."""

    def __init__(self, changes: list[Change] | None = None, prefix: str = "") -> None:
        self._changes: list[Change] = [] if changes is None else changes
        self._prefix = prefix

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes so far."""
        return tuple(self._changes)

    def __len__(self) -> int:
        """The number of changes so far."""
        return len(self._changes)

    def inside(self, operation: Operation) -> Log:
        """The log of a subgraph of this operation."""
        return Log(self._changes, f"{self._prefix}{operation.name}/")

    def note(self, name: str, what: str, results: Iterable[str] = ()) -> None:
        """Add a change of the operation of this name."""
        self._changes.append(Change(self._prefix + name, what, tuple(results)))


def count_operations(graph: Graph) -> int:
    """The operations that compute, those in subgraphs counted too: no inputs, no constants."""
    inside = sum(count_operations(s) for operation in graph for s in operation.subgraphs)
    return inside + sum(o.kind not in ("placeholder", "constant") for o in graph)
