"""A run in parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from gradion.foundation.errors import InputError
from gradion.graph.graph import Graph, Tensor
from gradion.graph.session.feed import Feed, fed_arrays, fed_tensor
from gradion.graph.session.fetch_tree import FetchTree
from gradion.graph.session.partial_stage import Part, PartialStage, PartRequest
from gradion.graph.session.runtime import AbstractRuntime, AbstractStep
from gradion.graph.session.signature import RunSignature
from gradion.graph.session.step_table import put_bounded
from gradion.graph.sizes import infer_sizes

__all__ = ["PartialPlan", "PartialRun"]

# Parts that are kept ready of one plan: as many as there are ways to cut it, and to size it.
_MOST_PARTS: Final = 256


@final
@dataclass(frozen=True, eq=False)
class _ReadyPart:
    part: Part
    step: AbstractStep


@final
class PartialPlan:
    """The parts of runs of one signature, made as they are asked for."""

    def __init__(self, graph: Graph, signature: RunSignature, runtime: AbstractRuntime) -> None:
        self.graph = graph
        self.signature = signature
        self.first = PartialStage.first(signature, graph)
        self._runtime = runtime
        self._lock = threading.Lock()
        self._ready: dict[Any, _ReadyPart] = {}

    def prepare(
        self, stage: PartialStage, request: PartRequest, sizes: Mapping[str, int]
    ) -> _ReadyPart:
        """A part after a stage. Raises UnfedPlaceholderError."""
        key = (stage, request, tuple(sorted(sizes.items())))
        with self._lock:
            found = self._ready.get(key)
            if found is None:
                part = stage.part(request, sizes)
                found = _ReadyPart(part, self._runtime.prepare(part.graph))
                put_bounded(self._ready, key, found, limit=_MOST_PARTS)
            return found


@final
class PartialRun:
    """A run whose feeds come and whose fetches go in several parts; see `Session.partial_run`.

    An operation runs once, in the first part that needs it, and effects happen part by part. A part
    that ends with an error has not happened: its variables are as before, and it can be repeated.
    """

    def __init__(self, plan: PartialPlan, require_open: Callable[[], None]) -> None:
        self._plan = plan
        self._require_open = require_open
        self._stage = plan.first
        self._sizes: dict[str, int] = {}
        self._held: dict[Tensor, Any] = {}

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """The values of these fetches, as `Session.run` gives them.

        Raises InputError for what was not announced, or was fetched or fed before, and
        UnfedPlaceholderError where something is needed that no part has been fed yet.
        """
        self._require_open()
        plan, stage = self._plan, self._stage
        tree = FetchTree(plan.graph, fetches)
        feeds = dict(feed_dict or {})
        tensors = [fed_tensor(plan.graph, key) for key in feeds]
        signature, asked = plan.signature, stage.request
        request = PartRequest(
            _places(tree.targets, signature.targets, asked.targets, "fetched"),
            _places(tree.operations, signature.operations, asked.operations, "fetched"),
            _places(tensors, signature.feeds, asked.feeds, "fed"),
        )
        arrays = fed_arrays([Feed(tensor) for tensor in tensors], feeds.values())
        given = dict(zip(tensors, arrays, strict=True))
        sizes = infer_sizes(tensors, [array.shape for array in arrays], self._sizes)
        ready = plan.prepare(stage, request, sizes)
        part = ready.part
        whole = stage.whole
        inner = dict(zip(signature.feeds, whole.inputs, strict=True))
        held = self._held | {inner[tensor]: array for tensor, array in given.items()}
        found = ready.step.run([held[tensor] for tensor in part.inputs])
        n_targets = len(request.targets)
        held.update(zip(part.kept, found[n_targets:], strict=True))
        self._held = {tensor: held[tensor] for tensor in part.after.held}
        self._stage, self._sizes = part.after, sizes
        by_place = dict(zip(sorted(request.targets), found, strict=False))
        return tree.build([by_place[signature.targets.index(t)] for t in tree.targets])


def _places(
    items: Iterable[Any], announced: Sequence[Any], before: frozenset[int], done: str
) -> frozenset[int]:
    """Places among what was announced; `done` is what a second time is called."""
    found = set()
    for item in items:
        if item not in announced:
            raise InputError(f"{item.name!r} was not announced as {done} by a part")
        place = announced.index(item)
        if place in before:
            raise InputError(f"{item.name!r} was {done} by an earlier part")
        found.add(place)
    return frozenset(found)
