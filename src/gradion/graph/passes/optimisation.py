"""Passes one after the other, until they have nothing left to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gradion.graph.graph import Graph
from gradion.graph.passes.control_flow import settle_control
from gradion.graph.passes.folding import fold_constants
from gradion.graph.passes.inlining import inline
from gradion.graph.passes.merging import merge_equal
from gradion.graph.passes.pruning import prune_unused
from gradion.graph.passes.report import PassReport, PassResult, count_operations
from gradion.graph.passes.simplification import simplify

__all__ = ["BACK_END_PASSES", "DEFAULT_PASSES", "Pass", "optimise"]

Pass = Callable[[Graph], PassResult]

# They change neither values, to the last bit, nor derivatives.
DEFAULT_PASSES: Final[tuple[Pass, ...]] = (
    prune_unused,
    settle_control,
    simplify,
    fold_constants,
    merge_equal,
    prune_unused,
)
# For what is only run: the rules of derivatives are written out, and the way is free for the rest.
BACK_END_PASSES: Final[tuple[Pass, ...]] = (inline, *DEFAULT_PASSES)

# A round makes room for the next one seldom more than twice; what is left then is left.
_MOST_ROUNDS: Final = 10


def optimise(graph: Graph, passes: Sequence[Pass] = DEFAULT_PASSES) -> PassResult:
    """Run the passes in order, again and again until a round changes nothing, ten times at most.

    Inputs stay as they are, and outputs in their order. Operations that are left keep their names,
    scopes and lines of code. The report has all changes, and a part for each run of a pass.
    """
    parts: list[PassReport] = []
    current = graph
    for _ in range(_MOST_ROUNDS):
        first = len(parts)
        for run in passes:
            result = run(current)
            current = result.graph
            parts.append(result.report)
        if not any(part.changes for part in parts[first:]):
            break
    changes = tuple(change for part in parts for change in part.changes)
    before, after = count_operations(graph), count_operations(current)
    return PassResult(current, PassReport("total", before, after, changes, tuple(parts)))
