"""The pass that puts native code in the place of operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from gradion.graph.capture import capture_flat
from gradion.graph.graph import Graph, Operation
from gradion.graph.passes.report import PassResult
from gradion.graph.passes.rewriter import (
    Replaced,
    Rewriter,
    Site,
    Step,
    has_unknown_sizes,
    run_pass,
)

__all__ = ["OperatorRule", "select_operators"]

_Function = Callable[..., Sequence[Any]]


@final
@dataclass(frozen=True)
class OperatorRule:
    """Which operations a kernel can take over, and how it is called for them.

    `choose` gets an operation of the kind `kind` whose sizes are numbers, with its inputs and what
    made them. It returns a function of the inputs' arrays that gives the results of the operation
    by the kernel, or None. `name` is what the report says. The packages of kernels offer rules.
    A function that comes to be without native code, because the kernel has none on this machine,
    is not used.
    """

    name: str
    kind: str
    choose: Callable[[Operation], _Function | None]


def select_operators(graph: Graph, rules: Sequence[OperatorRule]) -> PassResult:
    """Replace operations by calls of native code, by the first rule that takes one.

    The function that a rule gives is captured, so that it may move elements around the call. Sums
    may come out in another order than before: results agree to rounding, not to the last bit.
    """
    return run_pass("select operators", graph, lambda writer: _step(writer, rules))


def _step(writer: Rewriter, rules: Sequence[OperatorRule]) -> Step:
    def step(site: Site) -> Replaced | None:
        offered = [rule for rule in rules if rule.kind == site.kind]
        if not offered or has_unknown_sizes(site.operation):
            return None
        for rule in offered:
            function = rule.choose(site.operation)
            body = None if function is None else _body(site, function)
            if body is not None and any(o.kind == "native_call" for o in body):
                return Replaced(rule.name, writer.splice(site, body, site.inputs))
        return None

    return step


def _body(site: Site, function: _Function) -> Graph:
    arrays = [jax.ShapeDtypeStruct(t.type.numbers, jnp.dtype(t.dtype)) for t in site.inputs]
    return capture_flat(function, arrays, [f"input_{i}" for i in range(len(arrays))])
