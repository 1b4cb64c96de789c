"""Conditionals and loops: operations with subgraphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
from jax import lax

from gradion.graph.graph import Graph, Operation
from gradion.graph.operators.kind import OperationKind, run

__all__ = ["CONTROL"]


def _cond(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    index, *operands = inputs

    def branch(graph: Graph) -> Any:
        return lambda *arguments: tuple(run(graph, arguments))

    return list(lax.switch(index, [branch(g) for g in operation.subgraphs], *operands))


def _while_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"n_cond_constants": params["cond_nconsts"], "n_body_constants": params["body_nconsts"]}


def _while(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    cond, body = operation.subgraphs
    n_cond = operation.attributes["n_cond_constants"]
    first = n_cond + operation.attributes["n_body_constants"]
    of_cond, of_body = inputs[:n_cond], inputs[n_cond:first]
    return list(
        lax.while_loop(
            lambda carry: run(cond, [*of_cond, *carry])[0],
            lambda carry: tuple(run(body, [*of_body, *carry])),
            tuple(inputs[first:]),
        )
    )


def _scan_attributes(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n_constants": params["num_consts"],
        "n_carries": params["num_carry"],
        "length": params["length"],
        "reverse": params["reverse"],
    }


def _scan(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    given = operation.attributes
    (body,) = operation.subgraphs
    first = given["n_constants"]
    last = first + given["n_carries"]
    constants = inputs[:first]

    def step(carry: Any, scanned: Any) -> tuple[Any, Any]:
        out = run(body, [*constants, *carry, *scanned])
        return tuple(out[: last - first]), tuple(out[last - first :])

    carry, stacked = lax.scan(
        step,
        tuple(inputs[first:last]),
        tuple(inputs[last:]),
        length=given["length"],
        reverse=given["reverse"],
    )
    return [*carry, *stacked]


CONTROL: Final[tuple[OperationKind, ...]] = (
    OperationKind("cond", ("cond",), _cond, subgraphs=("branches",)),
    OperationKind("while", ("while",), _while, _while_attributes, ("cond_jaxpr", "body_jaxpr")),
    OperationKind("scan", ("scan",), _scan, _scan_attributes, ("jaxpr",)),
)
