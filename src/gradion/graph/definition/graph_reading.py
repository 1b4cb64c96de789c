"""A graph from JSON values and constants: checked, so that every back end can rely on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.foundation.errors import InputError
from gradion.graph.definition.check_types import check_evaluation, check_operation
from gradion.graph.definition.json_entry import JsonEntry
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.values import read_type, read_value
from gradion.graph.graph import STATEFUL, Graph, Operation, Tensor, TensorType

__all__ = ["OPERATION_ENTRIES", "GraphReader"]

_MOST_LINES: Final = 2**31 - 1
_REQUIRED: Final = ("kind", "name")
_OPTIONAL: Final = (
    *("inputs", "after", "attributes", "types", "subgraphs", "value", "scope", "source"),
)
# What an operation has in a file; entries that are empty are left out.
OPERATION_ENTRIES: Final = (*_REQUIRED, *_OPTIONAL)


@final
class GraphReader:
    """Reads graphs whose constants are in `constants`."""

    def __init__(self, constants: Mapping[str, np.ndarray], limits: Limits) -> None:
        self._constants = constants
        self._limits = limits
        self._used: set[str] = set()

    def read(self, entry: JsonEntry) -> Graph:
        """The graph, with nothing left of the constants.

        Raises InputError, naming the operation, for anything that is not as its kind says, and for
        types that are not those that evaluation would give.
        """
        graph = self._graph(entry, 0)
        unused = sorted(self._constants.keys() - self._used)
        if unused:
            raise entry.error(f"uses the constant {unused[0][:100]!r} nowhere")
        check_evaluation(graph, entry.root)
        return graph

    def _graph(self, entry: JsonEntry, depth: int) -> Graph:
        if depth > self._limits.depth:
            raise entry.error(f"has subgraphs more than {self._limits.depth} deep")
        fields = entry.fields(("operations", "inputs", "outputs"))
        graph = Graph()
        known: dict[str, Operation] = {}
        for item in fields["operations"].items():
            operation = self._operation(item, graph, known, depth)
            known[operation.name] = operation
        inputs = [_known(item, item.label(), known).outputs for item in fields["inputs"].items()]
        try:
            graph.inputs = [tensor for tensors in inputs for tensor in tensors]
        except ValueError as error:
            raise fields["inputs"].error(str(error)) from None
        graph.outputs = [_tensor(item, known) for item in fields["outputs"].items()]
        return graph

    def _operation(
        self, entry: JsonEntry, graph: Graph, known: Mapping[str, Operation], depth: int
    ) -> Operation:
        fields = entry.fields(_REQUIRED, _OPTIONAL)
        name = fields["name"].label()
        if name in known:
            raise fields["name"].error(f"there are two operations {name!r}")
        where = f"{entry.root}: {'subgraph, ' if depth else ''}operation {name[:100]!r}"
        entry = JsonEntry(entry.value, where)
        fields = entry.fields(_REQUIRED, _OPTIONAL)

        def items(key: str) -> list[JsonEntry]:
            return list(fields[key].items()) if key in fields else []

        kind, types = fields["kind"].label(), items("types")
        if kind == "placeholder" and len(types) != 1:
            # Before the graph takes its output as an input.
            raise entry.error(f"has {len(types)} outputs, expected 1")
        given = fields["attributes"].pairs() if "attributes" in fields else {}
        inputs = [_tensor(item, known) for item in items("inputs")]
        outputs = [read_type(item, self._limits) for item in types]
        details: dict[str, Any] = {
            "attributes": {key: read_value(value) for key, value in given.items()},
            "subgraphs": [self._graph(item, depth + 1) for item in items("subgraphs")],
            "value": self._constant(fields["value"]) if "value" in fields else None,
            "scope": fields["scope"].label(empty=True) if "scope" in fields else "",
            "source": _source(fields["source"]) if "source" in fields else None,
            "control_inputs": [_known(item, item.label(), known) for item in items("after")],
        }
        try:
            operation = graph.add(kind, inputs, outputs, name=name, **details)
        except ValueError as error:
            raise entry.error(str(error)[:300]) from None  # a name that no operation can have
        try:
            if depth and operation.kind in STATEFUL:
                raise InputError(f"a subgraph has no {operation.kind}")
            check_operation(operation)
            _check_variable(operation, known)
        except InputError as error:
            raise InputError(error.what, where=where, mend=error.mend) from None
        return operation

    def _constant(self, entry: JsonEntry) -> np.ndarray:
        name = entry.label()
        if name not in self._constants:
            raise entry.error(f"there is no constant {name!r}")
        self._used.add(name)
        return self._constants[name]


def _known(entry: JsonEntry, name: str, known: Mapping[str, Operation]) -> Operation:
    if name not in known:
        raise entry.error(f"there is no operation {name!r} before it")
    return known[name]


def _tensor(entry: JsonEntry, known: Mapping[str, Operation]) -> Tensor:
    name, mark, index = entry.label().rpartition(":")
    outputs = _known(entry, name, known).outputs if mark else ()
    # Only as it is written: digits of other alphabets are numbers to int.
    for tensor in outputs:
        if index == str(tensor.index):
            return tensor
    raise entry.error(f"there is no tensor {entry.value[:100]!r}")


def _source(entry: JsonEntry) -> SourceLine:
    parts = list(entry.items())
    if len(parts) != 2:
        raise entry.error("expected a file and a line")
    return SourceLine(parts[0].label(), parts[1].integer(0, _MOST_LINES))


def _check_variable(operation: Operation, known: Mapping[str, Operation]) -> None:
    """The variable that is read or assigned has to be there, of that type."""
    if operation.kind not in ("read_variable", "assign_variable"):
        return
    variable = known.get(operation.attributes["variable"])
    if variable is None or variable.kind != "variable":
        raise InputError(f"there is no variable {operation.attributes['variable']!r} before it")
    if variable not in operation.control_inputs:
        raise InputError(f"does not run after its variable {variable.name!r}")
    held = variable.attributes
    expected = TensorType(held["dtype"], tuple(held["shape"]))
    for tensor in (*operation.inputs, *operation.outputs):
        if tensor.type != expected:
            raise InputError(f"the variable {variable.name!r} holds {expected}, got {tensor.type}")
