"""Native code in the place of operations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import call, capture
from gradion.graph.passes import OperatorRule, optimise, select_operators
from gradion.numerics.kernels.segment_sum.graph_rule import SEGMENT_SUM_RULE

N = 50
SEGMENTS = np.random.default_rng(1).integers(-2, 9, N).astype(np.int32)


def _values(*shape):
    return np.random.default_rng(0).normal(size=(N, *shape))


def _kinds(graph):
    return [o.kind for o in graph]


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_a_sum_by_segment_runs_in_the_kernel(shape):
    values = _values(*shape)
    graph = capture(lambda v, i: jax.ops.segment_sum(v, i, 7) * 2.0, values, SEGMENTS)
    result = select_operators(graph, [SEGMENT_SUM_RULE])
    assert result.report.counts == {"segment sum": 1}
    chosen = optimise(result.graph).graph
    (native,) = (o for o in chosen if o.kind == "native_call")
    assert native.attributes["operator"] == "segment_sum"
    assert "scatter_add" not in _kinds(chosen)
    # A sum of seven numbers near 1, in another order: a few units in the last place.
    want = call(graph, values, SEGMENTS)
    np.testing.assert_allclose(call(chosen, values, SEGMENTS), want, rtol=0, atol=1e-14)
    assert not select_operators(chosen, [SEGMENT_SUM_RULE]).report.changes


def test_derivatives_go_through_the_kernel():
    graph = capture(lambda v, i: jax.ops.segment_sum(v, i, 7), _values(3), SEGMENTS)
    chosen = select_operators(graph, [SEGMENT_SUM_RULE]).graph
    weights = jnp.arange(21.0).reshape(7, 3)

    def slope(g):
        return jax.grad(lambda v: (call(g, v, SEGMENTS) * weights).sum())(jnp.asarray(_values(3)))

    np.testing.assert_array_equal(slope(chosen), slope(graph))


@pytest.mark.parametrize(
    "function",
    [
        lambda v, i: jnp.ones((7, 3)).at[i].add(v),  # not into zeros
        lambda v, i: jnp.zeros((7, 3)).at[i].add(v, mode="clip"),  # rows that point nowhere count
        lambda v, i: jnp.zeros((N, 3)).at[:, i[0]].add(v[:, 0]),  # columns
        lambda v, i: jnp.zeros((7, 5)).at[i, 1:4].add(v),  # parts of rows
        lambda v, i: jnp.zeros((7, 3), jnp.int32).at[i].add(v.astype(jnp.int32)),
    ],
    ids=["ones", "clip", "columns", "parts", "integers"],
)
def test_other_scatters_stay(function):
    graph = capture(function, _values(3), SEGMENTS)
    result = select_operators(graph, [SEGMENT_SUM_RULE])
    assert result.graph is graph


def test_a_rule_that_calls_nothing_native_is_not_used():
    rule = OperatorRule("plain", "exp", lambda operation: lambda x: [jnp.exp(x)])
    graph = capture(jnp.exp, np.ones(3))
    assert select_operators(graph, [rule]).graph is graph
