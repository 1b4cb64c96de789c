"""Operations found by what they compute, not by their names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np

from gradion.graph.graph import CUSTOM_KINDS, STATEFUL, Graph, Operation, Tensor

__all__ = ["OperationTable", "frozen", "structure"]


@final
class OperationTable:
    """The operations of a graph by kind, inputs, attributes and subgraphs.

    What has an effect, and what runs after other operations, is never found.
    """

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self._found: dict[Hashable, Operation] = {}
        self._constants: dict[Hashable, Operation] = {}
        for operation in operations:
            self.add(operation)

    def add(self, operation: Operation) -> None:
        """Let an operation be found; the first of equal ones stays."""
        if operation.value is not None and not operation.control_inputs:
            self._constants.setdefault(_bits(operation.value), operation)
        if operation.kind not in STATEFUL and not operation.control_inputs and operation.inputs:
            key = _key(operation.kind, operation.inputs, operation.attributes, operation.subgraphs)
            self._found.setdefault(key, operation)

    def find(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        attributes: Mapping[str, Any],
        subgraphs: Sequence[Graph],
    ) -> Operation | None:
        """An operation that computes this, or None."""
        return self._found.get(_key(kind, inputs, attributes, subgraphs))

    def constant(self, value: np.ndarray) -> Operation | None:
        """A constant of these bits, or None."""
        return self._constants.get(_bits(value))


def _bits(value: np.ndarray) -> Hashable:
    return value.dtype.name, value.shape, value.tobytes()


def frozen(value: Any) -> Hashable:
    """An attribute as something that can be compared and hashed: 1, 1.0 and True apart."""
    if isinstance(value, Mapping):
        return tuple((key, frozen(value[key])) for key in sorted(value))
    if isinstance(value, tuple | list):
        return tuple(map(frozen, value))
    if isinstance(value, float):
        return ("float", value.hex())
    return (type(value).__name__, value)


def structure(graph: Graph, *, rules: bool = True) -> Hashable:
    """What a graph computes, without its names: equal where the same operations stand in order.

    Rules of derivatives count to the first order: how many more there are depends on how often a
    graph was differentiated. Without `rules` they do not count.
    """
    numbers: dict[Tensor, int] = {}
    listing: list[Hashable] = []
    for operation in graph:
        value = operation.value
        listing.append(
            (
                operation.kind,
                tuple(numbers[tensor] for tensor in operation.inputs),
                frozen(operation.attributes),
                _inside(operation.kind, operation.subgraphs, rules=rules),
                tuple((t.dtype, frozen(t.shape)) for t in operation.outputs),
                None if value is None else value.tobytes(),
                tuple(before.name for before in operation.control_inputs),
            )
        )
        for tensor in operation.outputs:
            numbers[tensor] = len(numbers)
    inputs = tuple(numbers[tensor] for tensor in graph.inputs)
    return inputs, tuple(listing), tuple(numbers[tensor] for tensor in graph.outputs)


def _key(
    kind: str,
    inputs: Sequence[Tensor],
    attributes: Mapping[str, Any],
    subgraphs: Sequence[Graph],
) -> Hashable:
    return kind, tuple(inputs), frozen(attributes), _inside(kind, subgraphs, rules=True)


def _inside(kind: str, subgraphs: Sequence[Graph], *, rules: bool) -> Hashable:
    if kind not in CUSTOM_KINDS:
        return tuple(structure(graph, rules=rules) for graph in subgraphs)
    value, *rule = subgraphs
    return structure(value, rules=rules), tuple(structure(g, rules=False) for g in rule if rules)
