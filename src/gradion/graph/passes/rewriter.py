"""A graph written anew, operation by operation; what every pass but pruning is made of."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gradion.foundation.dimension import Dimension
from gradion.graph.context import joined
from gradion.graph.graph import STATEFUL, Graph, Operation, Tensor, TensorType
from gradion.graph.passes.report import Log, PassReport, PassResult, count_operations

__all__ = ["Replaced", "Rewriter", "Site", "Step", "has_unknown_sizes", "is_pure", "run_pass"]


@final
@dataclass(frozen=True)
class Site:
    """An operation of the old graph, with its inputs in the new one and its subgraphs rewritten.

    `name` and `scope` are what it is called in the new graph.
    """

    operation: Operation
    name: str
    scope: str
    inputs: tuple[Tensor, ...]
    subgraphs: tuple[Graph, ...]

    @property
    def kind(self) -> str:
        """The operation's kind."""
        return self.operation.kind

    @property
    def attributes(self) -> dict[str, Any]:
        """The operation's attributes."""
        return self.operation.attributes

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of its results."""
        return tuple(tensor.type for tensor in self.operation.outputs)


@final
@dataclass(frozen=True)
class Replaced:
    """Tensors of the new graph that stand for the results of an operation, and why they may."""

    what: str
    results: Sequence[Tensor]


# What to put in place of an operation; None leaves it as it is.
Step = Callable[[Site], Replaced | None]


@final
class Rewriter:
    """Writes one graph anew.

    What a step does not replace is copied, under its own name. What takes the place of an
    operation may take its name too; other names are new ones, so that no operation loses its own.
    Placeholders are always copied, and so is what has an effect, runs after other operations or
    has others run after it.
    """

    def __init__(self, old: Graph, log: Log) -> None:
        self.graph = Graph()
        self._log = log
        self.old = old
        self._reserved = {operation.name for operation in old}
        self._written: set[str] = set()
        self._numbers: dict[Hashable, Tensor] = {}
        self._step: Step = lambda _site: None

    def write(self, make_step: Callable[[Rewriter], Step]) -> Graph:
        """The new graph; `make_step` makes the step for this graph, and for each subgraph."""
        self._step = make_step(self)
        befores = {before for operation in self.old for before in operation.control_inputs}
        known: dict[Tensor, Tensor] = {}
        made: dict[Operation, Operation] = {}
        for operation in self.old:
            inside = self._log.inside(operation)
            site = Site(
                operation,
                operation.name,
                operation.scope,
                tuple(known[tensor] for tensor in operation.inputs),
                tuple(_rewrite(graph, make_step, inside) for graph in operation.subgraphs),
            )
            held = operation in befores or operation.control_inputs or operation.kind in STATEFUL
            if held or operation.kind == "placeholder":
                before = [made[o] for o in operation.control_inputs]
                made[operation] = self._copy(site, before)
                results: Sequence[Tensor] = made[operation].outputs
            else:
                results = self._decide(site)
            known.update(zip(operation.outputs, results, strict=True))
        self.graph.inputs = [known[tensor] for tensor in self.old.inputs]
        self.graph.outputs = [known[tensor] for tensor in self.old.outputs]
        self.graph.signature = self.old.signature
        return self.graph

    def add(
        self,
        site: Site,
        kind: str,
        inputs: Sequence[Tensor],
        types: Sequence[TensorType],
        *,
        attributes: Mapping[str, Any] | None = None,
        value: np.ndarray | None = None,
        in_place: bool = False,
    ) -> Sequence[Tensor]:
        """The results of a new operation, in the scope and of the line of this one.

        It takes the name of this one if it stands `in_place` of it, else a name below that.
        """
        name = site.name if in_place else f"{site.name}/{kind}"
        return self.graph.add(
            kind,
            inputs,
            types,
            name=self._name(name),
            attributes=attributes,
            value=value,
            scope=site.scope,
            source=site.operation.source,
        ).outputs

    def constant(self, site: Site, value: np.ndarray, *, in_place: bool = False) -> Tensor:
        """A new constant as a result of this operation; see `add`."""
        types = (TensorType(value.dtype.name, value.shape),)
        return self.add(site, "constant", (), types, value=value, in_place=in_place)[0]

    def number(self, value: np.ndarray) -> Tensor:
        """A constant of rank 0; one for each dtype and bits, and named after them."""
        key = (value.dtype.name, value.tobytes())
        if key not in self._numbers:
            name = self._name(f"{value.dtype.name}_{value}")
            self._numbers[key] = self.graph.constant(value, name=name)
        return self._numbers[key]

    def splice(self, site: Site, body: Graph, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Write a pure graph in place of an operation, each of its operations by the step again."""
        known = dict(zip(body.inputs, inputs, strict=True))
        for operation in body:
            if operation.kind == "placeholder":
                continue
            inner = Site(
                operation,
                self._free(f"{site.name}/{operation.name}"),
                joined(site.scope, operation.scope),
                tuple(known[tensor] for tensor in operation.inputs),
                operation.subgraphs,
            )
            known.update(zip(operation.outputs, self._decide(inner), strict=True))
        return [known[tensor] for tensor in body.outputs]

    def _decide(self, site: Site) -> Sequence[Tensor]:
        replaced = self._step(site)
        if replaced is None:
            return self._copy(site).outputs
        if tuple(tensor.type for tensor in replaced.results) != site.types:
            raise ValueError(
                f"{site.name}: {replaced.what} gives {replaced.results}, expected "
                f"{', '.join(map(str, site.types))}; report this as a bug"
            )
        self._log.note(site.name, replaced.what, [tensor.name for tensor in replaced.results])
        return replaced.results

    def _copy(self, site: Site, before: Sequence[Operation] = ()) -> Operation:
        operation = site.operation
        made = self.graph.add(
            operation.kind,
            site.inputs,
            site.types,
            name=self._name(site.name),
            attributes=operation.attributes,
            subgraphs=site.subgraphs,
            value=operation.value,
            scope=site.scope,
            source=operation.source,
            control_inputs=before,
        )
        if operation.value is not None and not operation.value.shape:
            key = (operation.value.dtype.name, operation.value.tobytes())
            self._numbers.setdefault(key, made.outputs[0])
        return made

    def _name(self, wanted: str) -> str:
        """The name that is wanted if it is still free, or one like it; it is taken then."""
        own = wanted in self._reserved and wanted not in self._written
        name = wanted if own else self._free(wanted)
        self._written.add(name)
        return name

    def _free(self, wanted: str) -> str:
        """A name of no operation of either graph."""
        name, number = wanted, 0
        while name in self._reserved or name in self._written:
            number += 1
            name = f"{wanted}_{number}"
        return name


def _rewrite(graph: Graph, make_step: Callable[[Rewriter], Step], log: Log) -> Graph:
    """The graph written anew; itself where nothing was changed in it."""
    noted = len(log)
    written = Rewriter(graph, log).write(make_step)
    return written if len(log) > noted else graph


def run_pass(
    name: str, graph: Graph, make_step: Callable[[Rewriter], Step], *, to_the_end: bool = False
) -> PassResult:
    """Rewrite a graph and its subgraphs by one kind of step, and report.

    `to_the_end` says that one sweep can make room for another: then it is repeated until nothing
    changes.
    """
    log, written = Log(), graph
    while True:
        noted = len(log)
        written = _rewrite(written, make_step, log)
        if not to_the_end or len(log) == noted:
            break
    before, after = count_operations(graph), count_operations(written)
    return PassResult(written, PassReport(name, before, after, log.changes))


def is_pure(graph: Graph) -> bool:
    """Whether nothing in a graph has an effect or waits for another operation."""
    return all(
        operation.kind not in STATEFUL
        and not operation.control_inputs
        and all(map(is_pure, operation.subgraphs))
        for operation in graph
    )


def has_unknown_sizes(operation: Operation) -> bool:
    """Whether a size in it is not a number."""
    tensors = (*operation.inputs, *operation.outputs)
    return _unknown([tensor.shape for tensor in tensors]) or _unknown(operation.attributes)


def _unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return any(map(_unknown, value))
    return isinstance(value, Dimension)
