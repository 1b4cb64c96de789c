"""A graph in JAX: one public function of JAX an operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradion.graph.graph import STATEFUL, Graph, Tensor
from gradion.graph.operators import KINDS
from gradion.graph.sizes import bind_sizes, infer_sizes, unknown_sizes

__all__ = ["call", "evaluate"]


def call(graph: Graph, *arguments: Any) -> Any:
    """The result for arguments with the structure of the examples, in that of the function.

    Raises ValueError for a graph that was not captured, TypeError for another structure.
    """
    if graph.signature is None:
        raise ValueError("the graph has no signature: use evaluate, with its inputs in order")
    found = evaluate(graph, graph.signature.flatten(arguments))
    return jax.tree.unflatten(graph.signature.result, found)


def evaluate(graph: Graph, inputs: Sequence[Any]) -> list[jax.Array]:
    """The outputs for inputs in the graph's order; works under all transformations of JAX.

    Raises TypeError for a wrong number of inputs and for a wrong dtype, ValueError for a wrong
    shape and for a graph with state: `gradion.graph.purify` makes it inputs and outputs.
    """
    if len(inputs) != len(graph.inputs):
        raise TypeError(f"got {len(inputs)} inputs, expected {len(graph.inputs)}")
    values: dict[Tensor, Any] = {}
    arrays = [jnp.asarray(given) for given in inputs]
    if unknown_sizes(graph):
        sizes = infer_sizes(graph.inputs, [array.shape for array in arrays])
        graph = bind_sizes(graph, sizes)
    for tensor, array in zip(graph.inputs, arrays, strict=True):
        if array.dtype.name != tensor.dtype:
            raise TypeError(f"{tensor.name}: got {array.dtype.name}, expected {tensor.dtype}")
        if array.shape != tensor.shape:
            raise ValueError(f"{tensor.name}: got shape {array.shape}, expected {tensor.shape}")
        values[tensor] = array
    for operation in graph:
        if operation.kind == "constant":
            values[operation.outputs[0]] = operation.value
        elif operation.kind in STATEFUL:
            raise ValueError(
                f"{operation.name}: a {operation.kind} has an effect; use a Session, or purify"
            )
        elif operation.kind != "placeholder":
            arguments = [values[tensor] for tensor in operation.inputs]
            found = KINDS[operation.kind].evaluate(operation, arguments)
            values.update(zip(operation.outputs, found, strict=True))
    return [jnp.asarray(values[tensor]) for tensor in graph.outputs]
