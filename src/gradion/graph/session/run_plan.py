"""A run, ready to be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from gradion.graph.session.feed import Feed, fed_arrays
from gradion.graph.session.run_metadata import RunMetadata, RunOptions, Trace
from gradion.graph.session.run_trace import TraceEvent
from gradion.graph.session.step_table import StepTable

__all__ = ["RunPlan"]


@final
class RunPlan:
    """Feeds in the order of the caller, a step, and the structure of what comes back.

    `order` says which of the feeds are the inputs of the step, in its order; None where they have
    the same order.
    """

    __slots__ = ("_build", "_feeds", "_order", "_table")

    def __init__(
        self,
        feeds: Sequence[Feed],
        order: Sequence[int] | None,
        table: StepTable,
        build: Callable[[Sequence[Any]], Any],
    ) -> None:
        self._feeds = feeds
        self._order = order
        self._table = table
        self._build = build

    def run(self, values: Iterable[Any]) -> Any:
        """The fetches for these feeds."""
        arrays = self._arrays(values)
        table = self._table
        step = table.step or table.find(arrays) or table.prepare(arrays)
        return self._build(step.run(arrays))

    def trace(self, values: Iterable[Any], options: RunOptions, metadata: RunMetadata) -> Any:
        """Do what `run` does, and fill in what it took."""
        start = time.perf_counter()
        arrays = self._arrays(values)
        fed = time.perf_counter()
        events = [TraceEvent("feed", "run", start, fed - start)]
        step = self._table.find(arrays)
        if step is None:
            step = self._table.prepare(arrays)
            prepared = time.perf_counter()
            events.append(TraceEvent("compile", "run", fed, prepared - fed))
        traced = step.trace(arrays, operations=options.trace is Trace.OPERATIONS)
        metadata.events = (*events, *traced.events)
        metadata.analysis = traced.analysis
        return self._build(traced.results)

    def _arrays(self, values: Iterable[Any]) -> list[Any]:
        """The inputs of the step."""
        if not self._feeds:
            return []
        arrays = fed_arrays(self._feeds, values)
        return arrays if self._order is None else [arrays[place] for place in self._order]
