"""Operations whose elements are found by indices that are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from gradion.graph.graph import Operation
from gradion.graph.operators.kind import OperationKind, chosen

__all__ = ["INDEXING"]


def _dimension_numbers(params: Mapping[str, Any]) -> dict[str, list[int]]:
    return {key: list(value) for key, value in params["dimension_numbers"].items()}


def _gather_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    fill = params["fill_value"]
    if fill is not None and not isinstance(fill, bool | int | float):
        raise ValueError("a gather whose fill value is no number")
    return {
        "dimension_numbers": _dimension_numbers(params),
        "slice_sizes": params["slice_sizes"],
        "mode": params["mode"],
        "fill_value": fill,
    }


def _gather(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    given = operation.attributes
    numbers = lax.GatherDimensionNumbers(
        **{key: tuple(value) for key, value in given["dimension_numbers"].items()}
    )
    array, indices = inputs
    return [
        lax.gather(
            array,
            indices,
            dimension_numbers=numbers,
            slice_sizes=tuple(given["slice_sizes"]),
            mode=lax.GatherScatterMode[given["mode"]],
            fill_value=given["fill_value"],
        )
    ]


def _scatter_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"dimension_numbers": _dimension_numbers(params), "mode": params["mode"]}


def _scatter(name: str, primitive: str, function: Callable[..., jax.Array]) -> OperationKind:
    def evaluate(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
        given = operation.attributes
        numbers = lax.ScatterDimensionNumbers(
            **{key: tuple(value) for key, value in given["dimension_numbers"].items()}
        )
        mode = lax.GatherScatterMode[given["mode"]]
        return [function(*inputs, dimension_numbers=numbers, mode=mode)]

    return OperationKind(name, (primitive,), evaluate, _scatter_attributes)


def _dynamic_slice(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    sizes = operation.attributes["slice_sizes"]
    # The primitive's indices never count from the end: capture has what makes them so.
    return [lax.dynamic_slice(inputs[0], inputs[1:], sizes, allow_negative_indices=False)]


def _dynamic_update_slice(_operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    array, part, *starts = inputs
    return [lax.dynamic_update_slice(array, part, starts, allow_negative_indices=False)]


def _search(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    right = operation.attributes["right"]
    table, values = inputs
    found = jnp.searchsorted(table, values, side="right" if right else "left", method="compare_all")
    return [found.astype(operation.outputs[0].dtype)]


INDEXING: Final[tuple[OperationKind, ...]] = (
    OperationKind("gather", ("gather",), _gather, _gather_attributes),
    _scatter("scatter", "scatter", lax.scatter),
    _scatter("scatter_add", "scatter-add", lax.scatter_add),
    OperationKind("dynamic_slice", ("dynamic_slice",), _dynamic_slice, chosen("slice_sizes")),
    OperationKind("dynamic_update_slice", ("dynamic_update_slice",), _dynamic_update_slice),
    # No primitive of JAX: capture recognises the function (gradion.graph.lookup).
    OperationKind("searchsorted", (), _search),
)
