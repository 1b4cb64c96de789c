"""A graph as JSON values, with its constants beside."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from gradion.foundation.errors import InputError
from gradion.graph.definition.values import write_type, write_value
from gradion.graph.graph import Graph, Operation

__all__ = ["GraphWriter"]


@final
class GraphWriter:
    """Writes graphs, and keeps what they need.

    `constants` are their arrays by the names that the JSON has, each once; `kinds` the kinds of
    their operations, `operators` the operators that these call.
    """

    def __init__(self) -> None:
        self.constants: dict[str, np.ndarray] = {}
        self.kinds: set[str] = set()
        self.operators: set[str] = set()
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def write(self, graph: Graph) -> dict[str, Any]:
        """The graph; raises InputError, naming the operation, for what a file does not hold."""
        return {
            "operations": [self._operation(operation) for operation in graph],
            "inputs": [tensor.operation.name for tensor in graph.inputs],
            "outputs": [tensor.name for tensor in graph.outputs],
        }

    def _operation(self, operation: Operation) -> dict[str, Any]:
        try:
            attributes = {k: write_value(v) for k, v in operation.attributes.items()}
        except TypeError as error:
            raise InputError(
                f"an attribute cannot be saved: {error}", where=f"operation {operation.name!r}"
            ) from None
        self.kinds.add(operation.kind)
        if operation.kind == "native_call":
            self.operators.add(operation.attributes["operator"])
        source = operation.source
        entries = {
            "kind": operation.kind,
            "name": operation.name,
            "inputs": [tensor.name for tensor in operation.inputs],
            "after": [before.name for before in operation.control_inputs],
            "attributes": attributes,
            "types": [write_type(tensor.type) for tensor in operation.outputs],
            "subgraphs": [self.write(subgraph) for subgraph in operation.subgraphs],
            "value": None if operation.value is None else self._constant(operation.value),
            "scope": operation.scope,
            # Without folders: they say where the author's files were, not what they are.
            "source": None
            if source is None
            else [source.file.replace("\\", "/").rpartition("/")[2], source.line],
        }
        return {key: value for key, value in entries.items() if value not in (None, [], {}, "")}

    def _constant(self, value: np.ndarray) -> str:
        key = (value.dtype.name, value.shape, value.tobytes())
        if key not in self._names:
            self._names[key] = str(len(self._names))
            self.constants[self._names[key]] = value
        return self._names[key]
