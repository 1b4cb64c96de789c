"""The steps of one graph, by the sizes of its inputs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, final

from gradion.graph.graph import Graph
from gradion.graph.session.runtime import AbstractRuntime, AbstractStep
from gradion.graph.sizes import bind_sizes, infer_sizes, unknown_sizes

__all__ = ["StepTable", "put_bounded"]


@final
class StepTable:
    """A graph that has been cut to what runs, and the steps that were made of it.

    `step` is the one step of a graph of known sizes as soon as it is made; None for others.
    """

    __slots__ = ("_limit", "_lock", "_runtime", "_sized", "_steps", "graph", "step")

    def __init__(self, graph: Graph, runtime: AbstractRuntime, *, limit: int) -> None:
        self.graph = graph
        self.step: AbstractStep | None = None
        self._runtime = runtime
        self._limit = limit
        self._lock = threading.Lock()
        self._sized = bool(unknown_sizes(graph))
        self._steps: dict[tuple[Any, ...], AbstractStep] = {}

    def find(self, arrays: Sequence[Any]) -> AbstractStep | None:
        """The step for arrays of these sizes, if it has been made."""
        return self._steps.get(_shapes(arrays)) if self._sized else self.step

    def prepare(self, arrays: Sequence[Any], known: Mapping[str, int] = {}) -> AbstractStep:
        """The step for arrays of these sizes; `known` are sizes that are known besides.

        Raises InputError where the shapes do not fit, or leave a size open.
        """
        # Threads that need the same step wait for the first one to make it.
        with self._lock:
            found = self.find(arrays)
            if found is not None:
                return found
            if not self._sized:
                self.step = self._runtime.prepare(self.graph)
                return self.step
            shapes = _shapes(arrays)
            sizes = infer_sizes(self.graph.inputs, shapes, known)
            made = self._runtime.prepare(bind_sizes(self.graph, sizes))
            put_bounded(self._steps, shapes, made, limit=self._limit)
            return made


def put_bounded(table: dict[Any, Any], key: Any, value: Any, *, limit: int) -> None:
    """Put an entry into a table; where there are too many, the first one goes."""
    if len(table) >= limit:
        del table[next(iter(table))]
    table[key] = value


def _shapes(arrays: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(array.shape for array in arrays)
