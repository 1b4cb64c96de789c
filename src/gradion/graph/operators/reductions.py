"""Operations that make one element of many: reductions, products of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from gradion.graph.graph import Operation
from gradion.graph.operators.kind import OperationKind, chosen

__all__ = ["REDUCTIONS"]


def _reduction(name: str, function: Callable[..., jax.Array]) -> OperationKind:
    def evaluate(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
        return [function(inputs[0], operation.attributes["axes"])]

    return OperationKind(name, (name,), evaluate, chosen("axes"))


def _position(name: str, function: Callable[..., jax.Array]) -> OperationKind:
    def evaluate(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
        given = operation.attributes
        return [function(inputs[0], given["axes"][0], jnp.dtype(given["index_dtype"]))]

    return OperationKind(name, (name,), evaluate, chosen("axes", "index_dtype"))


def _running(name: str, function: Callable[..., jax.Array]) -> OperationKind:
    def evaluate(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
        return [function(inputs[0], operation.attributes["axis"], operation.attributes["reverse"])]

    return OperationKind(name, (name,), evaluate, chosen("axis", "reverse"))


def _dot_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dimension_numbers": params["dimension_numbers"],
        "preferred_element_type": params["preferred_element_type"],
    }


def _dot(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    (contracted, batched) = operation.attributes["dimension_numbers"]
    dtype = operation.attributes["preferred_element_type"]
    numbers: Any = (tuple(map(tuple, contracted)), tuple(map(tuple, batched)))
    wanted = None if dtype is None else jnp.dtype(dtype)
    return [lax.dot_general(inputs[0], inputs[1], numbers, preferred_element_type=wanted)]


REDUCTIONS: Final[tuple[OperationKind, ...]] = (
    _reduction("reduce_sum", lax.reduce_sum),
    _reduction("reduce_prod", lax.reduce_prod),
    _reduction("reduce_max", lax.reduce_max),
    _reduction("reduce_min", lax.reduce_min),
    _reduction("reduce_and", lax.reduce_and),
    _reduction("reduce_or", lax.reduce_or),
    _position("argmax", lax.argmax),
    _position("argmin", lax.argmin),
    _running("cumsum", lax.cumsum),
    _running("cumprod", lax.cumprod),
    _running("cummax", lax.cummax),
    _running("cummin", lax.cummin),
    OperationKind("dot_general", ("dot_general",), _dot, _dot_attributes),
)
