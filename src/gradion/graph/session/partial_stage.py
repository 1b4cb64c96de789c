"""Between two parts of a partial run: what has run, what is held, and what can come next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.session.errors import UnfedPlaceholderError
from gradion.graph.session.signature import RunSignature
from gradion.graph.sizes import bind_sizes
from gradion.graph.subgraph import subgraph

__all__ = ["PartialStage", "Part", "PartRequest"]


@final
@dataclass(frozen=True)
class PartRequest:
    """What one part is asked for: places among targets, operations and feeds of the whole."""

    targets: frozenset[int]
    operations: frozenset[int]
    feeds: frozenset[int]


@final
@dataclass(frozen=True, eq=False)
class Part:
    """One part as a graph of known sizes, and the stage after it.

    `inputs` are the tensors of the whole that it is fed; its outputs are the targets that were
    asked for, by place, then the tensors `kept` for later parts.
    """

    graph: Graph
    inputs: tuple[Tensor, ...]
    kept: tuple[Tensor, ...]
    after: PartialStage


@final
@dataclass(frozen=True, eq=False)
class PartialStage:
    """What has run of a whole, and which of its tensors are held.

    `whole` is the graph of all parts together: inputs are the feeds, outputs the targets of the
    signature. `request` is everything that the parts so far were asked for.
    """

    signature: RunSignature
    whole: Graph
    done: frozenset[Operation] = frozenset()
    held: tuple[Tensor, ...] = ()
    request: PartRequest = field(
        default_factory=lambda: PartRequest(frozenset(), frozenset(), frozenset())
    )

    @classmethod
    def first(cls, signature: RunSignature, graph: Graph) -> PartialStage:
        """The stage in which nothing has run. Raises UnfedPlaceholderError."""
        return cls(signature, signature.part(graph))

    def part(self, request: PartRequest, sizes: Mapping[str, int]) -> Part:
        """What has to run for a request.

        Raises UnfedPlaceholderError where it needs a feed that no part has given yet.
        """
        whole = self.whole
        available = (*self.held, *(whole.inputs[i] for i in sorted(request.feeds)))
        rest, tensors, operations = self._rest(available)
        named = [whole.operation(self.signature.operations[i].name) for i in request.operations]
        wanted = [
            *(tensors[whole.outputs[i]].operation for i in request.targets),
            *(operations[operation] for operation in named if operation in operations),
        ]
        needed = _needed(rest, wanted)
        self._require_fed(available, tensors, needed)
        ran = {old for old, new in operations.items() if new in needed}
        done = self.done | ran
        asked = PartRequest(
            self.request.targets | request.targets,
            self.request.operations | request.operations,
            self.request.feeds | request.feeds,
        )
        later = self._later(done, asked)
        kept = tuple(t for o in whole if o in ran for t in o.outputs if t in later)
        inputs = tuple(t for t in available if tensors[t].operation in needed)
        results = [*(whole.outputs[i] for i in sorted(request.targets)), *kept]
        graph = subgraph(
            rest, [*(tensors[t] for t in results), *wanted], [tensors[t] for t in inputs]
        )
        held = tuple(t for t in (*available, *kept) if t in later)
        after = PartialStage(self.signature, whole, done, held, asked)
        return Part(bind_sizes(graph, sizes), inputs, kept, after)

    def _rest(
        self, available: Iterable[Tensor]
    ) -> tuple[Graph, dict[Tensor, Tensor], dict[Operation, Operation]]:
        """The graph without what has run, and its tensors and operations by those of the whole."""
        rest = Graph()
        tensors: dict[Tensor, Tensor] = {}
        operations: dict[Operation, Operation] = {}
        for tensor in available:
            tensors[tensor] = rest.placeholder(
                tensor.type, name=rest.free_name(f"{tensor.operation.name}/held_{tensor.index}")
            )
        for operation in self.whole:
            if operation in self.done or any(t in tensors for t in operation.outputs):
                continue
            copy = rest.copy(
                operation,
                [tensors[tensor] for tensor in operation.inputs],
                control_inputs=[
                    operations[before]
                    for before in operation.control_inputs
                    if before in operations
                ],
            )
            operations[operation] = copy
            tensors.update(zip(operation.outputs, copy.outputs, strict=True))
        return rest, tensors, operations

    def _require_fed(
        self,
        available: Sequence[Tensor],
        tensors: Mapping[Tensor, Tensor],
        needed: set[Operation],
    ) -> None:
        for feed, tensor in zip(self.signature.feeds, self.whole.inputs, strict=True):
            missing = tensor in tensors and tensor not in available
            if missing and tensors[tensor].operation in needed:
                raise UnfedPlaceholderError.of(feed)

    def _later(self, done: frozenset[Operation], asked: PartRequest) -> set[Tensor]:
        """What parts after this one may need of what there is by then."""
        used = {tensor for o in self.whole if o not in done for tensor in o.inputs}
        places = range(len(self.whole.outputs))
        return used | {self.whole.outputs[i] for i in places if i not in asked.targets}


def _needed(graph: Graph, wanted: Iterable[Operation]) -> set[Operation]:
    found = set(wanted)
    for operation in reversed(graph.operations):
        if operation in found:
            found.update(tensor.operation for tensor in operation.inputs)
            found.update(operation.control_inputs)
    return found
