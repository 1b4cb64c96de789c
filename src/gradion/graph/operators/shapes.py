"""Operations that only move elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from gradion.graph.graph import Operation
from gradion.graph.operators.kind import OperationKind, chosen

__all__ = ["SHAPES"]


def _broadcast(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    given = operation.attributes
    return [lax.broadcast_in_dim(inputs[0], given["shape"], given["broadcast_dimensions"])]


def _reshape_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("dimensions") is not None:
        raise ValueError("a reshape that also transposes")
    return {"new_sizes": params["new_sizes"]}


def _reshape(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.reshape(inputs[0], operation.attributes["new_sizes"])]


def _squeeze(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.squeeze(inputs[0], operation.attributes["dimensions"])]


def _slice_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    starts = params["start_indices"]
    return {
        "start_indices": starts,
        "limit_indices": params["limit_indices"],
        "strides": params["strides"] or (1,) * len(starts),
    }


def _slice(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    given = operation.attributes
    return [lax.slice(inputs[0], given["start_indices"], given["limit_indices"], given["strides"])]


def _transpose(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.transpose(inputs[0], operation.attributes["permutation"])]


def _rev(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.rev(inputs[0], operation.attributes["dimensions"])]


def _concatenate(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.concatenate(inputs, operation.attributes["dimension"])]


def _stack(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [jnp.stack(inputs, operation.attributes["axis"])]


def _pad(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    array, padding = inputs
    return [lax.pad(array, padding, [tuple(c) for c in operation.attributes["padding_config"]])]


def _iota(operation: Operation, _inputs: Sequence[Any]) -> Sequence[jax.Array]:
    given = operation.attributes
    return [lax.broadcasted_iota(jnp.dtype(given["dtype"]), given["shape"], given["dimension"])]


def _size(operation: Operation, _inputs: Sequence[Any]) -> Sequence[jax.Array]:
    (tensor,) = operation.outputs
    return [jnp.asarray(operation.attributes["dim"], tensor.dtype)]


def _split(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return list(lax.split(inputs[0], operation.attributes["sizes"], operation.attributes["axis"]))


def _unstack(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return list(jnp.unstack(inputs[0], axis=operation.attributes["axis"]))


def _tile(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [jnp.tile(inputs[0], tuple(operation.attributes["reps"]))]


SHAPES: Final[tuple[OperationKind, ...]] = (
    OperationKind(
        "broadcast_in_dim",
        ("broadcast_in_dim",),
        _broadcast,
        chosen("shape", "broadcast_dimensions"),
    ),
    OperationKind("reshape", ("reshape",), _reshape, _reshape_attributes),
    OperationKind("squeeze", ("squeeze",), _squeeze, chosen("dimensions")),
    OperationKind("slice", ("slice",), _slice, _slice_attributes),
    OperationKind("transpose", ("transpose",), _transpose, chosen("permutation")),
    OperationKind("rev", ("rev",), _rev, chosen("dimensions")),
    OperationKind("concatenate", ("concatenate",), _concatenate, chosen("dimension")),
    OperationKind("stack", ("stack",), _stack, chosen("axis")),
    OperationKind("unstack", ("unstack",), _unstack, chosen("axis")),
    OperationKind("tile", ("tile",), _tile, chosen("reps")),
    OperationKind("pad", ("pad",), _pad, chosen("padding_config")),
    OperationKind("iota", ("iota",), _iota, chosen("dtype", "shape", "dimension")),
    # The number that a size is; it is one of the few places where a size is a value.
    OperationKind("size", ("dim_as_value",), _size, chosen("dim")),
    OperationKind("split", ("split",), _split, chosen("sizes", "axis")),
)
