"""What a run is asked to tell, and what it told."""

from __future__ import annotations

import enum
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from gradion.foundation.atomic_file import write_atomically
from gradion.graph.session.run_trace import StepAnalysis, TraceEvent

__all__ = ["RunMetadata", "RunOptions", "Trace"]

# Tracks of the picture: the run, and the operations in it.
_TRACKS: Final = {"run": 1, "operation": 2}


@final
class Trace(enum.Enum):
    """How finely a run is timed."""

    RUN = "the run as it is"
    OPERATIONS = "every operation by itself: slower, and values may differ in the last bits"


@final
@dataclass(frozen=True)
class RunOptions:
    """How a run is traced; it counts where the run is given a RunMetadata."""

    trace: Trace = Trace.RUN


@final
@dataclass
class RunMetadata:
    """What a run took; a run that is given one fills it in anew.

    `events` are in order of time. Seconds by part: `feed_seconds` to look at the feeds,
    `compile_seconds` to make the step ready (0 where it was), `run_seconds` until the results are
    there, `fetch_seconds` to hand them over. `analysis` has memory, cost and passes.
    """

    events: tuple[TraceEvent, ...] = ()
    analysis: StepAnalysis | None = field(default=None)

    @property
    def feed_seconds(self) -> float:
        """Time to look at the feeds and to convert them [s]."""
        return self._seconds("feed")

    @property
    def compile_seconds(self) -> float:
        """Time to make the step, or its operations, ready [s]; 0 where it was."""
        return self._seconds("compile") + self._seconds("compile operations")

    @property
    def run_seconds(self) -> float:
        """Time until the results are there [s]."""
        return self._seconds("execute")

    @property
    def fetch_seconds(self) -> float:
        """Time to copy the results [s]."""
        return self._seconds("fetch")

    def chrome_trace(self) -> dict[str, Any]:
        """The events in the format that Perfetto and chrome://tracing read; times in [us]."""
        process = os.getpid()
        first = min((event.start for event in self.events), default=0.0)
        named = [_name("process_name", process, 0, "gradion")]
        named += [_name("thread_name", process, n, track) for track, n in _TRACKS.items()]
        timed = [
            {
                "ph": "X",
                "pid": process,
                "tid": _TRACKS[event.category],
                "name": event.name,
                "cat": event.category,
                "ts": 1e6 * (event.start - first),
                "dur": 1e6 * event.seconds,
                "args": dict(event.details),
            }
            for event in self.events
        ]
        return {"traceEvents": [*named, *timed], "displayTimeUnit": "ns"}

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write `chrome_trace()` as JSON."""
        write_atomically(Path(path), json.dumps(self.chrome_trace()).encode())

    def _seconds(self, name: str) -> float:
        found = (e.seconds for e in self.events if e.category == "run" and e.name == name)
        return sum(found, 0.0)


def _name(what: str, process: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": process, "tid": track, "name": what, "args": {"name": name}}
