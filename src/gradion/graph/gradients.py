"""Derivatives of tensors of a graph, as operations of the same graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import jax
import jax.numpy as jnp

from gradion.foundation.compat.dimension import symbolic_shape
from gradion.foundation.dimension import Dimension
from gradion.foundation.errors import InputError
from gradion.graph.build.context import context_for
from gradion.graph.capture import ProgramWriter, traced
from gradion.graph.context import joined
from gradion.graph.evaluate import evaluate
from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.operand import AbstractOperand
from gradion.graph.operation_table import OperationTable
from gradion.graph.sizes import bind_sizes
from gradion.graph.subgraph import subgraph

__all__ = ["gradients", "hessian"]

# What a derivative is taken with respect to: a tensor, or all reads of one variable.
_Point = tuple[Tensor, ...]


def gradients(
    ys: Sequence[AbstractOperand],
    xs: Sequence[AbstractOperand],
    grad_ys: Sequence[AbstractOperand | None] | None = None,
) -> list[Tensor | None]:
    """The gradient of the sum of ys with respect to each of xs; None where nothing depends on it.

    One of xs may depend on another: the gradients are total ones. A variable among xs stands for
    all reads of it that the ys depend on. `grad_ys` are weights of the ys, of their shapes; None
    is ones. The derivatives are operations of the same graph, in the scope `gradients`, which use
    what the graph computes already, and can be differentiated again.

    Raises InputError for an operation without a reverse mode (a `while` whose number of rounds is
    not known), TypeError for ys that are not floating, ValueError for tensors of several graphs.
    """
    targets = [y.as_tensor() for y in ys]
    weights = _weights(targets, [None] * len(targets) if grad_ys is None else grad_ys)
    given = [w for w in weights if w is not None]

    def of_independent(points: Sequence[_Point]) -> list[Tensor]:
        part = _Part.between(targets, points)

        def weighted(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
            fixed, seeds = others[: len(part.others)], iter(others[len(part.others) :])
            results, pull = jax.vjp(lambda *x: part.evaluate(x, fixed), *values)
            full = [
                jnp.ones(y.shape, y.dtype) if w is None else next(seeds)
                for y, w in zip(results, weights, strict=True)
            ]
            found = iter(pull(full))
            return [sum([next(found) for _ in point[1:]], next(found)) for point in points]

        return part.write(weighted, given, "gradients")

    return _by_point(targets, xs, of_independent)


def _weights(ys: Sequence[Tensor], given: Sequence[AbstractOperand | None]) -> list[Tensor | None]:
    if len(given) != len(ys):
        raise ValueError(f"grad_ys: got {len(given)}, expected {len(ys)}, one for each of ys")
    weights = [None if w is None else w.as_tensor() for w in given]
    for i, (y, w) in enumerate(zip(ys, weights, strict=True)):
        if w is not None and w.type != y.type:
            raise InputError(f"grad_ys[{i}]: got {w.type}, expected {y.type}, as {y.name} has it")
    return weights


def hessian(y: AbstractOperand, xs: Sequence[AbstractOperand]) -> list[Tensor | None]:
    """The second derivatives of a number y with respect to each of xs, of shape x.shape + x.shape.

    None where y does not depend on it. Sizes of xs must be numbers. Raises what `gradients` raises,
    and ValueError where y is no number.
    """
    target = y.as_tensor()
    if target.shape:
        raise ValueError(f"{target!r} is no number; take the second derivatives of a sum of it")

    def of_independent(points: Sequence[_Point]) -> list[Tensor]:
        part = _Part.between([target], points)
        starts = [sum(map(len, points[:i])) for i in range(len(points) + 1)]

        def second(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
            found = []
            for first, last in pairwise(starts):

                def of_one(shift: Any, first: int = first, last: int = last) -> Any:
                    moved = [v + shift if first <= i < last else v for i, v in enumerate(values)]
                    return part.evaluate(moved, others)[0]

                found.append(jax.hessian(of_one)(jnp.zeros_like(values[first])))
            return found

        return part.write(second, (), "hessian")

    return _by_point([target], xs, of_independent)


def _by_point(
    ys: Sequence[Tensor],
    xs: Sequence[AbstractOperand],
    of_independent: Callable[[Sequence[_Point]], list[Tensor]],
) -> list[Tensor | None]:
    """What a function gives for each x that the ys depend on, x by x; None for the others.

    The function gets points of which none depends on another.
    """
    if not ys:
        raise ValueError("gradients: ys is empty, expected a tensor or more")
    graph = ys[0].graph
    for y in ys:
        if y.graph is not graph:
            raise ValueError(f"{y!r} is of another graph than {ys[0]!r}")
        if not jnp.issubdtype(y.dtype, jnp.floating):
            raise TypeError(f"{y!r} has no gradient: it is not floating")
    for x in xs:
        if x.graph is not graph:
            raise ValueError(f"{x!r} is of another graph than {ys[0]!r}")
    needed = _data_operations(graph, ys)
    used = {tensor for operation in needed for tensor in operation.inputs}.union(ys)
    points = [tuple(t for t in _tensors(x, needed) if t in used) for x in xs]
    found: dict[_Point, Tensor] = {}
    for group in _independent([point for point in dict.fromkeys(points) if point], needed):
        found.update(zip(group, of_independent(group), strict=True))
    return [found.get(point) for point in points]


def _tensors(x: AbstractOperand, needed: Sequence[Operation]) -> _Point:
    if isinstance(x, Tensor):
        return (x,) if jnp.issubdtype(x.dtype, jnp.floating) else ()
    return tuple(
        operation.outputs[0]
        for operation in needed
        if operation.kind == "read_variable" and operation.attributes["variable"] == x.name
    )


def _independent(points: Sequence[_Point], needed: Sequence[Operation]) -> list[list[_Point]]:
    """The points in groups of which no member depends on another."""
    groups: list[tuple[list[_Point], set[Tensor]]] = []
    for point in points:
        reached = _reached(point, needed)
        for members, of_members in groups:
            apart = not any(reached.intersection(other) for other in members)
            if apart and not of_members.intersection(point):
                members.append(point)
                of_members |= reached
                break
        else:
            groups.append(([point], reached))
    return [members for members, _ in groups]


def _reached(tensors: Iterable[Tensor], operations: Sequence[Operation]) -> set[Tensor]:
    reached = set(tensors)
    for operation in operations:
        if not reached.isdisjoint(operation.inputs):
            reached.update(operation.outputs)
    return reached


def _data_operations(graph: Graph, ys: Sequence[Tensor]) -> list[Operation]:
    """The operations that give their results to the ys, in order."""
    wanted = {y.operation for y in ys}
    for operation in reversed(graph.operations):
        if operation in wanted:
            wanted.update(tensor.operation for tensor in operation.inputs)
    return [operation for operation in graph if operation in wanted]


@final
@dataclass(frozen=True, eq=False)
class _Part:
    """What lies between points and ys: a function of the points and of all else it needs."""

    graph: Graph
    inner: Graph
    operations: tuple[Operation, ...]
    points: tuple[Tensor, ...]
    others: tuple[Tensor, ...]

    @classmethod
    def between(cls, ys: Sequence[Tensor], points: Sequence[_Point]) -> _Part:
        """The part; every point is of use to the ys."""
        graph = ys[0].graph
        needed = _data_operations(graph, ys)
        chosen = tuple(tensor for point in points for tensor in point)
        reached = _reached(chosen, needed)
        inside = [o for o in needed if not reached.isdisjoint(o.inputs)]
        computed = {tensor for operation in inside for tensor in operation.outputs}
        given = [tensor for operation in inside for tensor in operation.inputs] + list(ys)
        others = tuple(dict.fromkeys(t for t in given if t not in computed and t not in chosen))
        inner = _with_symbols(subgraph(graph, ys, [*chosen, *others]))
        return cls(graph, inner, tuple(inside), chosen, others)

    def evaluate(self, values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """The ys."""
        return evaluate(self.inner, [*values, *others])

    def write(
        self,
        function: Callable[[Sequence[Any], Sequence[Any]], list[Any]],
        more: Sequence[Tensor],
        scope: str,
    ) -> list[Tensor]:
        """Add what a function of the points and of the others, with more behind them, gives."""
        tensors = [*self.points, *self.others, *more]
        shapes = [jax.ShapeDtypeStruct(t.shape, jnp.dtype(t.dtype)) for t in tensors]
        n_points = len(self.points)
        try:
            program = traced(
                lambda *x: function(x[:n_points], x[n_points:]), shapes, keep_rules=True
            )
        except ValueError as error:
            raise _no_reverse(error, self.operations) from error
        table = OperationTable(self.graph.operations)
        writer = ProgramWriter(self.graph, keep_rules=True, reuse=table)
        around = context_for(self.graph).scope
        return writer.write(program, tensors, joined(around, scope))


def _with_symbols(graph: Graph) -> Graph:
    """The graph with JAX's symbolic sizes in place of the unknown ones."""
    types = [tensor.type for operation in graph for tensor in operation.outputs]
    unknown = [size for t in types for size in t.shape if isinstance(size, Dimension)]
    names = sorted({name for size in unknown for name in size.names})
    symbols = symbolic_shape([Dimension(name) for name in names])
    return bind_sizes(graph, dict(zip(names, symbols, strict=True))) if names else graph


def _no_reverse(error: ValueError, operations: Sequence[Operation]) -> Exception:
    loops = [operation for operation in operations if operation.kind == "while"]
    if not loops:
        return error
    source = loops[0].source
    return InputError(
        f"{loops[0].name} has no reverse mode: its number of rounds is not known",
        where=None if source is None else str(source),
        mend="use lax.scan, or lax.fori_loop with bounds that are numbers",
    )
