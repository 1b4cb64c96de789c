"""Sizes that are found from arrays."""

from __future__ import annotations

import numpy as np
import pytest

from gradion.foundation.dimension import Dimension
from gradion.foundation.errors import InputError
from gradion.graph import Graph, TensorType, bind_sizes
from gradion.graph.build import apply, placeholder
from gradion.graph.sizes import infer_sizes, unknown_sizes


def _tensors(*shapes):
    graph = Graph()
    return [
        graph.placeholder(TensorType("float64", shape), name=f"x{i}")
        for i, shape in enumerate(shapes)
    ]


N, M = Dimension("n"), Dimension("m")


def test_each_unknown_is_found_once():
    tensors = _tensors((N, 3), (Dimension("2*n + m"),), (M, N))
    assert infer_sizes(tensors, [(4, 3), (13,), (5, 4)]) == {"n": 4, "m": 5}
    assert unknown_sizes(tensors[0].graph) == ("n", "m")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(4, 2), (4,)], r"x0:0: got shape \(4, 2\), expected \(n, 3\)"),
        ([(4, 3, 1), (4,)], r"x0:0: got shape \(4, 3, 1\), expected \(n, 3\)"),
        ([(4, 3), (5,)], r"x1:0: got shape \(5,\), expected \(n,\): n is 4 by x0:0"),
        ([(0, 3), (0,)], r"expected \(n, 3\), n at least 1"),
    ],
)
def test_a_shape_that_does_not_fit_is_told(shapes, message):
    with pytest.raises(InputError, match=message):
        infer_sizes(_tensors((N, 3), (N,)), shapes)


def test_numbers_go_into_loops_too():
    import jax
    from jax import lax

    def running(x):
        return lax.scan(lambda carry, row: (carry + row, carry), x[0], x)[1]

    with Graph() as graph:
        x = placeholder("float64", (None, 2), name="x")
        y = apply(running, x)
    graph.outputs = [y]
    bound = bind_sizes(graph, {"n_0": 5})
    (scan,) = [operation for operation in bound if operation.kind == "scan"]
    assert scan.attributes["length"] == 5
    assert y.type == TensorType("float64", (Dimension("n_0"), 2))
    assert bound.outputs[0].type == TensorType("float64", (5, 2))
    with pytest.raises(InputError, match="the size 'n_0'"):
        bind_sizes(graph, {})
    array = np.arange(10.0).reshape(5, 2)
    from gradion.graph import evaluate

    np.testing.assert_array_equal(evaluate(graph, [array])[0], jax.jit(running)(array))
