"""Sparse Jacobians: of graphs, and of functions of JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph.capture import capture
from gradion.graph.evaluate import call
from gradion.graph.graph import STATEFUL, Graph, Tensor
from gradion.graph.prune import prune
from gradion.graph.signature import Signature
from gradion.graph.sparse.block import Block
from gradion.graph.sparse.entries import ordered
from gradion.graph.sparse.pattern import SparsePattern
from gradion.graph.sparse.propagation import differentiate
from gradion.graph.sparse.simplification import is_floating

__all__ = ["SparseJacobian", "argument_inputs", "jacobian_graph", "sparse_jacobian"]


@final
@dataclass(frozen=True, eq=False)
class SparseJacobian:
    """The derivatives of a function's floating results by the floating arrays of one argument.

    Rows are the elements of the results, columns those of the argument, each flattened and
    counted over all arrays in order. `graph` computes the values of the entries of `pattern` from
    the inputs of the function.
    """

    graph: Graph
    pattern: SparsePattern

    def __call__(self, *arguments: Any) -> jax.Array:
        """The values at a point, in the order of the pattern; under any transformation of JAX."""
        return call(self.graph, *arguments)

    def dense(self, *arguments: Any) -> jax.Array:
        """The whole matrix at a point."""
        return self.pattern.dense(self(*arguments))


def sparse_jacobian(
    function: Callable[..., Any],
    *examples: Any,
    of: int = 0,
    names: Sequence[str] | None = None,
) -> SparseJacobian:
    """The sparse Jacobian of a pure function by its argument number `of`.

    Everything else is as for `gradion.graph.capture`; all arrays of all arguments are inputs of
    the graph. Call the result with arguments of the function.

    Raises what `capture` raises, ValueError for an argument that is not there or has no floating
    array, and UnsupportedOperationError for an operation whose own Jacobian would be too large.
    """
    graph = capture(function, *examples, names=names)
    made = jacobian_graph(graph, argument_inputs(graph, examples, of))
    if graph.signature is not None:
        given = graph.signature
        made.graph.signature = Signature(given.arguments, jax.tree.structure(0), given.shapes)
    return made


def argument_inputs(graph: Graph, examples: Sequence[Any], of: int) -> list[Tensor]:
    """The floating inputs of a captured graph that are of argument number `of`.

    Raises ValueError for an argument that is not there.
    """
    if not 0 <= of < len(examples):
        raise ValueError(f"of: got {of}, expected the place of one of {len(examples)} arguments")
    counts = [len(jax.tree.leaves(example)) for example in examples]
    first = sum(counts[:of])
    return [tensor for tensor in graph.inputs[first : first + counts[of]] if is_floating(tensor)]


def jacobian_graph(graph: Graph, inputs: Sequence[Tensor]) -> SparseJacobian:
    """The sparse Jacobian of a graph of known sizes by some of its inputs.

    The elements of these inputs are the columns, those of the floating outputs the rows. The new
    graph has the inputs of the old one, and one output: the values of the entries. No entry is
    there that the structure of the graph says is zero.

    Raises ValueError for no inputs, for one that is not floating or not of the graph, and for a
    graph with state (`gradion.graph.purify` makes it inputs and outputs) or unknown sizes.
    """
    if any(operation.kind in STATEFUL or operation.control_inputs for operation in graph):
        raise ValueError("the Jacobian of a graph with state: purify it first")
    foreign = [tensor for tensor in inputs if tensor not in graph.inputs]
    if foreign:
        raise ValueError(f"{foreign[0]!r} is no input of the graph")
    places = [graph.inputs.index(tensor) for tensor in inputs]
    if not places or not all(map(is_floating, inputs)):
        names = ", ".join(tensor.name for tensor in inputs) or "none"
        raise ValueError(f"a Jacobian is taken by inputs of floating dtype; got {names}")
    derivatives, found = differentiate(graph, places)
    blocks = []
    n_rows = 0
    for tensor, of_output in zip(graph.outputs, found, strict=True):
        if is_floating(tensor):
            blocks += [Block(b.values, b.rows + n_rows, b.columns) for b in of_output]
            n_rows += tensor.type.size
    derivatives.scope, derivatives.source = "", None
    dtypes = {tensor.dtype for tensor in (*graph.outputs, *inputs) if is_floating(tensor)}
    entries = ordered(derivatives, blocks, jnp.result_type(*map(np.dtype, dtypes)).name)
    derivatives.graph.outputs = [entries.values]
    n_columns = sum(tensor.type.size for tensor in inputs)
    pattern = SparsePattern.of_entries((n_rows, n_columns), entries.rows, entries.columns)
    return SparseJacobian(prune(derivatives.graph), pattern)
