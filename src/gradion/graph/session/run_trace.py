"""What a run took, in parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from gradion.graph.memory_plan import MemoryPlan
from gradion.graph.passes import PassReport
from gradion.graph.xla import MemoryUse

__all__ = ["StepAnalysis", "TraceEvent", "TracedRun"]


@final
@dataclass(frozen=True)
class TraceEvent:
    """Something that took time: from `start` on the clock of `time.perf_counter` [s]."""

    name: str
    category: str
    start: float
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class StepAnalysis:
    """What is known of a step without running it.

    `report` says what the passes did, `memory_plan` what the graph takes operation by operation,
    `memory` what the compiled program takes, and `cost` XLA's counts by its own names ("flops",
    "bytes accessed"). Where nothing had to be compiled, `memory` is None and `cost` empty.
    `compile_seconds` is what tracing and compiling took when that was done, and `from_cache`
    whether it was done in an earlier process.
    """

    report: PassReport
    memory_plan: MemoryPlan
    memory: MemoryUse | None
    cost: Mapping[str, float]
    compile_seconds: float
    from_cache: bool


@final
@dataclass(frozen=True)
class TracedRun:
    """The results of a run, its parts in time, and what is known of its step."""

    results: list[Any]
    events: tuple[TraceEvent, ...]
    analysis: StepAnalysis
