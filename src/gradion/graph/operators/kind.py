"""What is known of one kind of operation, for capture and for JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax

from gradion.graph.graph import Graph, Operation

__all__ = ["OperationKind", "chosen", "no_attributes", "run"]

Attributes = dict[str, Any]


def no_attributes(_params: Mapping[str, Any]) -> Attributes:
    """No attributes: what the primitive's parameters say does not change the values."""
    return {}


def chosen(*names: str) -> Callable[[Mapping[str, Any]], Attributes]:
    """The attributes are these parameters, under their own names."""

    def choose(params: Mapping[str, Any]) -> Attributes:
        return {name: params[name] for name in names}

    return choose


def run(graph: Graph, inputs: Sequence[Any]) -> list[jax.Array]:
    """The outputs of a subgraph."""
    # The evaluator looks operations up in the table, and rows of the table run subgraphs.
    from gradion.graph.evaluate import evaluate

    return evaluate(graph, inputs)


@final
@dataclass(frozen=True)
class OperationKind:
    """A row of the documented set of operations.

    `name` is the kind in a graph; `primitives` are JAX's names of it; `attributes` makes the
    operation's attributes (JSON values) from the primitive's parameters and may raise ValueError
    for a form that is outside the set; `evaluate` runs an operation by public functions of JAX;
    `subgraphs` are the parameters that hold programs.
    """

    name: str
    primitives: tuple[str, ...]
    evaluate: Callable[[Operation, Sequence[Any]], Sequence[jax.Array]]
    attributes: Callable[[Mapping[str, Any]], Attributes] = no_attributes
    subgraphs: tuple[str, ...] = ()
