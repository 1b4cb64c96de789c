"""Graphs of unknown sizes: what the sizes are, and the graph in which they are numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradion.foundation.dimension import Dimension, Size, shape_text
from gradion.foundation.errors import InputError
from gradion.graph.graph import Graph, Tensor, TensorType

__all__ = ["bind_sizes", "infer_sizes", "unknown_sizes"]


def unknown_sizes(graph: Graph) -> tuple[str, ...]:
    """The names of the sizes that are not known, in the order in which the inputs have them."""
    found: dict[str, None] = {}
    for tensor in graph.inputs:
        for size in tensor.shape:
            if isinstance(size, Dimension):
                found.update(dict.fromkeys(sorted(size.names)))
    return tuple(found)


def infer_sizes(
    tensors: Sequence[Tensor], shapes: Sequence[Sequence[Any]], known: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """What the unknown sizes are where these tensors have these shapes.

    `known` are sizes that are known already. Raises InputError for a shape that does not fit, for
    two arrays that contradict each other, and for a size below 1, which a program of unknown
    sizes is not made for.
    """
    sizes: dict[str, Any] = dict(known)
    said_by: dict[str, str] = {}
    for tensor, shape in zip(tensors, shapes, strict=True):
        if len(shape) != len(tensor.shape):
            raise _misfit(tensor, shape, "")
        for expected, got in zip(tensor.shape, shape, strict=True):
            if isinstance(expected, int):
                if got != expected:
                    raise _misfit(tensor, shape, "")
            elif expected.is_name and expected.text not in sizes:
                if isinstance(got, int) and got < 1:
                    raise _misfit(tensor, shape, f", {expected} at least 1")
                sizes[expected.text] = got
                said_by[expected.text] = tensor.name
    for tensor, shape in zip(tensors, shapes, strict=True):
        for expected, got in zip(tensor.shape, shape, strict=True):
            if isinstance(expected, Dimension) and (wanted := expected.at(sizes)) != got:
                other = said_by.get(expected.text)
                why = f": {expected} is {wanted}" + (f" by {other}" if other else "")
                raise _misfit(tensor, shape, why)
    return sizes


def bind_sizes(graph: Graph, sizes: Mapping[str, Any]) -> Graph:
    """The same graph with numbers in place of its unknown sizes, in subgraphs and attributes too.

    Raises InputError for a size that is not given.
    """
    bound = Graph()
    known: dict[Tensor, Tensor] = {}
    for operation in graph:
        made = bound.add(
            operation.kind,
            [known[tensor] for tensor in operation.inputs],
            [_bound_type(tensor.type, sizes) for tensor in operation.outputs],
            name=operation.name,
            attributes={k: _bound(v, sizes) for k, v in operation.attributes.items()},
            subgraphs=[bind_sizes(subgraph, sizes) for subgraph in operation.subgraphs],
            value=operation.value,
            scope=operation.scope,
            source=operation.source,
            control_inputs=[bound.operation(before.name) for before in operation.control_inputs],
        )
        known.update(zip(operation.outputs, made.outputs, strict=True))
    bound.inputs = [known[tensor] for tensor in graph.inputs]
    bound.outputs = [known[tensor] for tensor in graph.outputs]
    bound.signature = graph.signature
    return bound


def _bound_type(tensor_type: TensorType, sizes: Mapping[str, Any]) -> TensorType:
    return TensorType(tensor_type.dtype, _bound(tensor_type.shape, sizes))


def _bound(value: Any, sizes: Mapping[str, Any]) -> Any:
    if isinstance(value, Dimension):
        return value.at(sizes)
    if isinstance(value, tuple | list):
        return type(value)(_bound(item, sizes) for item in value)
    if isinstance(value, dict):
        return {key: _bound(item, sizes) for key, item in value.items()}
    return value


def _misfit(tensor: Tensor, shape: Sequence[Size], why: str) -> InputError:
    return InputError(
        f"got shape {shape_text(shape)}, expected {shape_text(tensor.shape)}{why}",
        where=tensor.name,
    )
