"""Where the outputs of a step come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.passes import Pass, PassReport, optimise
from gradion.graph.state import purify
from gradion.graph.subgraph import subgraph

__all__ = ["Computed", "Passed", "Source", "StepLayout"]


@final
@dataclass(frozen=True)
class Computed:
    """The result of this number of the compiled program."""

    place: int


@final
@dataclass(frozen=True)
class Passed:
    """A value as it comes: the feed of this number, or the variable, counted behind the feeds."""

    place: int


# An array of NumPy is known before the run.
Source = Computed | Passed | np.ndarray


@final
@dataclass(frozen=True, eq=False)
class StepLayout:
    """A graph with state as a program without, and where everything comes from and goes.

    `program` computes what is neither known nor only passed on; None if there is no such thing.
    `inputs` says what its inputs are: numbers of feeds, and those of `reads` counted behind the
    feeds. Its first results are the new values of the variables `written`; `writes` has the sources
    of the other ones. `whole` is the program with what is known and passed on.
    """

    whole: Graph
    program: Graph | None
    report: PassReport
    n_feeds: int
    inputs: tuple[int, ...]
    reads: tuple[Operation, ...]
    written: tuple[str, ...]
    writes: dict[str, Source]
    fetches: tuple[Source, ...]
    checks: tuple[tuple[Operation, Source], ...]

    @classmethod
    def of(cls, graph: Graph, passes: Sequence[Pass]) -> StepLayout:
        """The layout of a graph of known sizes, after these passes."""
        pure = purify(graph)
        result = optimise(pure.graph, passes)
        whole = result.graph
        n_fetches, n_writes = len(graph.outputs), len(pure.writes)
        values = whole.outputs[n_fetches : n_fetches + n_writes]
        changed = list(zip((v.name for v in pure.writes), values, strict=True))
        # Every variable has a result of its own, also where two have the same new value: a later
        # run takes over the buffers of both.
        computed = [tensor for _, tensor in changed if _is_computed(tensor)]
        others = (*whole.outputs[:n_fetches], *whole.outputs[n_fetches + n_writes :])
        computed += [t for t in dict.fromkeys(others) if _is_computed(t) and t not in computed]
        inputs, program = _program(whole, computed)
        places = {t.operation.name: i for i, t in enumerate(whole.inputs)}

        def source(tensor: Tensor) -> Source:
            if _is_computed(tensor):
                return Computed(computed.index(tensor))
            value = tensor.operation.value
            return Passed(places[tensor.operation.name]) if value is None else value

        fetches = [source(tensor) for tensor in whole.outputs[:n_fetches]]
        flags = [source(tensor) for tensor in whole.outputs[n_fetches + n_writes :]]
        return cls(
            whole,
            program,
            result.report,
            len(graph.inputs),
            inputs,
            pure.reads,
            tuple(name for name, tensor in changed if _is_computed(tensor)),
            {name: source(tensor) for name, tensor in changed if not _is_computed(tensor)},
            tuple(fetches),
            tuple(zip(pure.checks, flags, strict=True)),
        )

    @property
    def donated(self) -> tuple[int, ...]:
        """Inputs of the program that are old values of variables that it computes anew."""
        return tuple(
            k
            for k, place in enumerate(self.inputs)
            if place >= self.n_feeds and self.reads[place - self.n_feeds].name in self.written
        )

    @property
    def can_fail(self) -> bool:
        """Whether the run may end with an error after the program was started."""
        return bool(self.checks) or _calls_native_code(self.whole)


def _is_computed(tensor: Tensor) -> bool:
    return tensor.operation.kind not in ("placeholder", "constant")


def _program(whole: Graph, computed: Sequence[Tensor]) -> tuple[tuple[int, ...], Graph | None]:
    """The part that computes these, and which inputs of the whole its inputs are, in order."""
    if not computed:
        return (), None
    program = subgraph(whole, computed)
    places = {t.operation.name: i for i, t in enumerate(whole.inputs)}
    program.inputs = sorted(program.inputs, key=lambda t: places[t.operation.name])
    return tuple(places[t.operation.name] for t in program.inputs), program


def _calls_native_code(graph: Graph) -> bool:
    return any(
        operation.kind == "native_call" or any(map(_calls_native_code, operation.subgraphs))
        for operation in graph
    )
