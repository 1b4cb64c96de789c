"""A graph that grows by derivatives: what is there already, and what is 0 or 1, adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.graph.graph import Graph, Operation, Tensor, TensorType
from gradion.graph.operation_table import OperationTable
from gradion.graph.operators import KINDS
from gradion.graph.sparse.simplification import folded, input_that_it_is

__all__ = ["DerivativeGraph"]


@final
class DerivativeGraph:
    """Adds operations to a graph; equal ones once, and none that only multiplies by one.

    `scope` and `source` are those of the operations that are added: of what is differentiated.
    """

    def __init__(self) -> None:
        self.graph = Graph()
        self.scope = ""
        self.source: SourceLine | None = None
        self._table = OperationTable()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._numbers: dict[Tensor, np.generic | None] = {}
        self._known: dict[Tensor, np.ndarray | None] = {}
        # What depends on an input.
        self._varying: set[Tensor] = set()

    def take(self, operation: Operation, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The results of an operation of another graph, on these inputs."""
        if operation.kind == "constant" and operation.value is not None:
            return [self.constant(operation.value)]
        found = self._table.find(operation.kind, inputs, operation.attributes, operation.subgraphs)
        if found is None or not inputs:
            found = self._noted(self.graph.copy(operation, inputs))
        return found.outputs

    def inline(self, graph: Graph, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of a graph of derivatives, written out in place."""
        known = dict(zip(graph.inputs, inputs, strict=True))
        for operation in graph:
            if operation.kind == "placeholder":
                continue
            given = [known[tensor] for tensor in operation.inputs]
            if operation.kind == "constant" and operation.value is not None:
                made: Sequence[Tensor] = [self.constant(operation.value)]
            else:
                types = [tensor.type for tensor in operation.outputs]
                made = self.add_all(
                    operation.kind, given, types, operation.attributes, operation.subgraphs
                )
            known.update(zip(operation.outputs, made, strict=True))
        return [known[tensor] for tensor in graph.outputs]

    def add(
        self, kind: str, inputs: Sequence[Tensor], made: TensorType, **attributes: Any
    ) -> Tensor:
        """The result of an operation of one result."""
        return self.add_all(kind, inputs, [made], attributes)[0]

    def add_all(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        types: Sequence[TensorType],
        attributes: dict[str, Any],
        subgraphs: Sequence[Graph] = (),
    ) -> Sequence[Tensor]:
        """The results of an operation, which may be there already, or be one of its inputs."""
        number = folded(self.number, kind, inputs, types[0])
        if number is not None:
            return [self.filled(number, types[0])]
        same = input_that_it_is(self.number, kind, inputs, types[0])
        if same is not None:
            return [same]
        found = self._table.find(kind, inputs, attributes, subgraphs)
        if found is None or not inputs:
            found = self._noted(
                self.graph.add(
                    kind,
                    inputs,
                    types,
                    attributes=attributes,
                    subgraphs=subgraphs,
                    scope=self.scope,
                    source=self.source,
                )
            )
        return found.outputs

    def constant(self, value: Any) -> Tensor:
        """An array as a part of the graph."""
        array = np.asarray(value)
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.graph.constant(array)
        return self._constants[key]

    def filled(self, number: Any, made: TensorType) -> Tensor:
        """One number for all elements."""
        scalar = self.constant(np.asarray(number, made.dtype))
        if not made.shape:
            return scalar
        repeat = {"shape": made.shape, "broadcast_dimensions": ()}
        found = self._table.find("broadcast_in_dim", [scalar], repeat, ())
        if found is None:
            found = self._noted(
                self.graph.add("broadcast_in_dim", [scalar], [made], attributes=repeat)
            )
        return found.outputs[0]

    def reshape(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """The same elements in another shape."""
        sizes = tuple(shape)
        if tensor.shape == sizes:
            return tensor
        return self.add("reshape", [tensor], TensorType(tensor.dtype, sizes), new_sizes=sizes)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """The product of two tensors of one type; 0 if the structure says that one is 0."""
        for one, other in ((a, b), (b, a)):
            if self.number(one) == 0:
                return one
            if self.number(one) == -1:
                return self.add("neg", [other], a.type)
        return self.add("mul", [a, b], a.type)

    def convert(self, tensor: Tensor, dtype: str) -> Tensor:
        """The numbers in another dtype."""
        if tensor.dtype == dtype:
            return tensor
        made = TensorType(dtype, tensor.shape)
        return self.add("convert_element_type", [tensor], made, new_dtype=dtype)

    def number(self, tensor: Tensor) -> np.generic | None:
        """The number that all elements are, if the graph says so; else None."""
        if tensor not in self._numbers:
            self._numbers[tensor] = self._number(tensor)
        return self._numbers[tensor]

    def known(self, tensor: Tensor) -> np.ndarray | None:
        """The elements, if they depend on no input; else None."""
        if tensor in self._varying:
            return None
        if tensor not in self._known:
            operation = tensor.operation
            if operation.kind == "constant":
                self._known[tensor] = operation.value
            else:
                given = [self.known(x) for x in operation.inputs]
                found = KINDS[operation.kind].evaluate(operation, given)
                self._known[tensor] = np.asarray(found[tensor.index])
        return self._known[tensor]

    def _noted(self, operation: Operation) -> Operation:
        """A new operation, with what is known of its results noted as its inputs' is."""
        self._table.add(operation)
        if operation.kind not in KINDS or not self._varying.isdisjoint(operation.inputs):
            self._varying.update(operation.outputs)
        for tensor in operation.outputs:
            self.number(tensor)
        return operation

    def _number(self, tensor: Tensor) -> np.generic | None:
        operation = tensor.operation
        if operation.kind != "constant":
            return folded(self.number, operation.kind, operation.inputs, tensor.type)
        value = operation.value
        if value is None or not value.size or not (value == value.ravel()[0]).all():
            return None
        return value.ravel()[0]
