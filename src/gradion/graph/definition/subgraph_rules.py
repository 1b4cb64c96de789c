"""Types of conditionals, loops and functions with derivative rules: those of their subgraphs.

Found here and not by JAX, which would trace a subgraph again in each of those around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import jax.numpy as jnp

from gradion.foundation.dimension import Size
from gradion.foundation.errors import InputError
from gradion.graph.definition.tensor_file import DTYPES
from gradion.graph.graph import Graph, Operation, TensorType

__all__ = ["check_subgraphs"]

_Types = Sequence[TensorType]


def check_subgraphs(operation: Operation) -> None:
    """Raise InputError unless inputs, outputs and subgraphs have types that fit."""
    _RULES[operation.kind](operation)


def _inputs(operation: Operation) -> list[TensorType]:
    return [tensor.type for tensor in operation.inputs]


def _outputs(operation: Operation) -> list[TensorType]:
    return [tensor.type for tensor in operation.outputs]


def _require_types(graph: Graph, inputs: _Types, outputs: _Types) -> None:
    for what, tensors, expected in (
        ("inputs", graph.inputs, inputs),
        ("outputs", graph.outputs, outputs),
    ):
        got = [tensor.type for tensor in tensors]
        if got != list(expected):
            texts = (", ".join(map(str, types))[:200] for types in (got, expected))
            raise InputError("a subgraph has the {} {}, expected {}".format(what, *texts))


def _require_count(operation: Operation, low: int, high: int) -> None:
    if not low <= len(operation.subgraphs) <= high:
        raise InputError(f"has {len(operation.subgraphs)} subgraphs")


def _cond(operation: Operation) -> None:
    _require_count(operation, 1, 2**31)
    index, *operands = _inputs(operation)
    if index != TensorType("int32", ()):
        raise InputError(f"the branch is chosen by an int32 without axes, got {index}")
    for branch in operation.subgraphs:
        _require_types(branch, operands, _outputs(operation))


def _while(operation: Operation) -> None:
    _require_count(operation, 2, 2)
    cond, body = operation.subgraphs
    given = _inputs(operation)
    n_cond, n_body = (operation.attributes[f"n_{name}_constants"] for name in ("cond", "body"))
    carry = given[n_cond + n_body :]
    # With too few inputs for its constants it has no types that fit.
    _require_types(cond, [*given[:n_cond], *carry], [TensorType("bool", ())])
    _require_types(body, [*given[n_cond : n_cond + n_body], *carry], carry)
    if _outputs(operation) != carry or n_cond + n_body > len(given):
        raise InputError("the outputs of a loop have the types of what it carries")


def _scan(operation: Operation) -> None:
    _require_count(operation, 1, 1)
    (body,) = operation.subgraphs
    length = operation.attributes["length"]
    first = operation.attributes["n_constants"]
    last = first + operation.attributes["n_carries"]
    given, found = _inputs(operation), _outputs(operation)
    n_carries = last - first
    if last > len(given) or n_carries > len(found):
        raise InputError("has fewer arrays than constants and carries")
    scanned = [_of_one_round(t, length) for t in given[last:]]
    stacked = [_of_one_round(t, length) for t in found[n_carries:]]
    carry = given[first:last]
    if found[:n_carries] != carry:
        raise InputError("the outputs of a loop have the types of what it carries")
    _require_types(body, [*given[:last], *scanned], [*carry, *stacked])


def _of_one_round(tensor_type: TensorType, length: Size) -> TensorType:
    if tensor_type.shape[:1] != (length,):
        raise InputError(f"{tensor_type} has no first axis of {length}")
    return TensorType(tensor_type.dtype, tensor_type.shape[1:])


def _floating(types: _Types) -> list[TensorType]:
    return [t for t in types if jnp.issubdtype(DTYPES[t.dtype], jnp.floating)]


def _custom(operation: Operation, rule: Callable[[_Types, _Types], tuple[_Types, _Types]]) -> None:
    _require_count(operation, 1, 2)
    given, found = _inputs(operation), _outputs(operation)
    _require_types(operation.subgraphs[0], given, found)
    for subgraph in operation.subgraphs[1:]:
        _require_types(subgraph, *rule(given, found))


def _pushforward(given: _Types, found: _Types) -> tuple[_Types, _Types]:
    return [*given, *_floating(given)], [*found, *_floating(found)]


def _pullback(given: _Types, found: _Types) -> tuple[_Types, _Types]:
    return [*given, *_floating(found)], _floating(given)


_RULES: Final[dict[str, Callable[[Operation], None]]] = {
    "cond": _cond,
    "while": _while,
    "scan": _scan,
    "custom_jvp": lambda operation: _custom(operation, _pushforward),
    "custom_vjp": lambda operation: _custom(operation, _pullback),
}
