"""The dense Jacobian of a graph by JAX, beside which the sparse one is laid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph import Graph, evaluate
from gradion.graph.sparse import SparseJacobian, jacobian_graph


def sparse(graph: Graph) -> SparseJacobian:
    """The sparse Jacobian by all floating inputs."""
    return jacobian_graph(graph, [t for t in graph.inputs if t.dtype.startswith("float")])


def dense(graph: Graph, arrays: Sequence[Any]) -> jax.Array:
    """The dense Jacobian of all floating outputs by all floating inputs."""
    places = [i for i, t in enumerate(graph.inputs) if t.dtype.startswith("float")]
    sizes = [graph.inputs[i].type.size for i in places]

    def flat(x: jax.Array) -> jax.Array:
        given = [jnp.asarray(a) for a in arrays]
        for place, part in zip(places, jnp.split(x, np.cumsum(sizes)[:-1]), strict=True):
            given[place] = part.reshape(given[place].shape)
        found = evaluate(graph, given)
        return jnp.concatenate(
            [jnp.ravel(y) for y in found if jnp.issubdtype(y.dtype, jnp.floating)]
        )

    # A rule that is a vector-Jacobian product can only be asked for rows.
    rows = any(operation.kind == "custom_vjp" for operation in graph)
    take = jax.jacrev if rows else jax.jacfwd
    return take(flat)(jnp.concatenate([jnp.ravel(jnp.asarray(arrays[i])) for i in places]))


def assert_same(values: Any, jacobian: SparseJacobian, want: Any, tolerance: float) -> None:
    """Every finite entry of the dense Jacobian is that of the sparse one, where 0 if not there.

    Where a row has an infinite factor JAX makes NaN of the zeros beside it, by 0 * inf; there the
    sparse one has nothing.
    """
    found = np.zeros(jacobian.pattern.shape)
    found[jacobian.pattern.rows, jacobian.pattern.indices] = np.asarray(values)
    expected = np.asarray(want, np.float64)
    finite = np.isfinite(expected)
    largest = max(1.0, np.abs(expected[finite]).max(initial=0.0))
    np.testing.assert_allclose(found[finite], expected[finite], rtol=0, atol=tolerance * largest)
    there = np.zeros(jacobian.pattern.shape, bool)
    there[jacobian.pattern.rows, jacobian.pattern.indices] = True
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(found[infinite], expected[infinite])
    assert there[infinite].all()
