"""Times of competitors that take turns, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Times", "compare", "table"]


# A round is cut in so many turns of each competitor: what slows the machine lasts longer than one.
TURNS = 10
# A slow competitor gets fewer calls: at most so long [s] in a round.
LONGEST = 0.5
# Calls of each turn that are not timed: until its data is in the caches again.
WARM = 3


@dataclass(frozen=True)
class Times:
    """Time of one call [us] in each round: of the process's CPU, and of the clock."""

    cpu: list[float]
    wall: list[float]

    @property
    def median_cpu(self) -> float:
        """Median CPU time [us]."""
        return statistics.median(self.cpu)

    @property
    def least_cpu(self) -> float:
        """CPU time [us] of the quickest round."""
        return min(self.cpu)

    @property
    def median_wall(self) -> float:
        """Median time of the clock [us]."""
        return statistics.median(self.wall)

    def ratio(self, other: Times) -> float:
        """Median over the rounds of the ratio of CPU times within a round."""
        return statistics.median(a / b for a, b in zip(self.cpu, other.cpu, strict=True))

    def excess(self, other: Times) -> float:
        """Median over the rounds of the difference of CPU times within a round [us]."""
        return statistics.median(a - b for a, b in zip(self.cpu, other.cpu, strict=True))


def compare(
    competitors: Mapping[str, Callable[[], Any]], *, rounds: int = 21, calls: int = 200
) -> dict[str, Times]:
    """Time `calls` calls of each competitor in each round; each call returns a finished result."""
    n_calls = {name: _calls_of_a_turn(call, calls) for name, call in competitors.items()}
    times = {name: Times([], []) for name in competitors}
    names = list(competitors)
    # What is alive now is no business of the collections that the calls cause.
    gc.collect()
    gc.freeze()
    order = random.Random(0)
    for _ in range(rounds):
        cpu, wall = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
        for _ in range(TURNS):
            # In a fixed order one always comes after the same other one, which shows: by up to 7 %
            # where a step in torch, or the many objects of nnx, have just filled the caches.
            for name in order.sample(names, len(names)):
                spent = _turn(competitors[name], n_calls[name])
                cpu[name] += spent[0]
                wall[name] += spent[1]
        for name in names:
            times[name].cpu.append(1e6 * cpu[name] / (TURNS * n_calls[name]))
            times[name].wall.append(1e6 * wall[name] / (TURNS * n_calls[name]))
    gc.unfreeze()
    return times


def _calls_of_a_turn(call: Callable[[], Any], calls: int) -> int:
    """Warm up, and see how long a call takes."""
    call()
    call()
    start = time.perf_counter()
    call()
    of_a_round = LONGEST / max(time.perf_counter() - start, 1e-9)
    return max(1, int(min(calls, of_a_round) / TURNS))


def _turn(call: Callable[[], Any], calls: int) -> tuple[float, float]:
    """CPU time and time of the clock [s]."""
    gc.collect()  # what the one before has left
    for _ in range(min(WARM, calls)):
        call()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return time.process_time() - cpu, time.perf_counter() - wall


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print a markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")
