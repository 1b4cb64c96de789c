"""Counts and sizes of graphs."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.dimension import Dimension
from gradion.graph import Graph, TensorType, capture
from gradion.graph.render import summarise

from .graph_examples import hostile, loops, stateful


def test_all_operations_are_counted_those_of_subgraphs_too():
    found = summarise(loops())
    assert found.operations == sum(found.kinds.values())
    assert (found.kinds["scan"], found.kinds["cond"], found.kinds["exp"]) == (1, 1, 1)
    assert found.scopes == {"(none)": 4, "head": 2}
    assert found.inputs == {"x": "float64[3]", "w": "float64[3,3]"}


def test_variables_and_constants():
    found = summarise(stateful())
    assert [(v.name, v.type, v.bytes, v.trainable) for v in found.variables] == [
        ("w", "float64[2]", 16, True)
    ]
    assert (found.variable_bytes, found.parameters, found.constant_bytes) == (16, 2, 32)


def test_flops_of_products_are_those_of_xla():
    def product(a, b):
        return a @ b

    a, b = np.ones((4, 5, 6)), np.ones((4, 6, 7))
    graph = capture(product, a, b)
    # 2 * batch * rows * columns * contracted, what XLA's cost analysis counts too.
    assert summarise(graph).product_flops == 2 * 4 * 5 * 7 * 6
    cost = jax.jit(product).lower(a, b).compile().cost_analysis()
    assert summarise(graph).product_flops == cost["flops"]


def test_flops_of_loops_and_branches():
    def loop(x, w):
        return jax.lax.fori_loop(0, 5, lambda i, y: w @ y, x)

    x, w = np.ones(3), np.ones((3, 3))
    once = 2 * 3 * 3
    assert summarise(capture(loop, x, w)).product_flops == 5 * once

    def branch(x, w):
        return jax.lax.cond(x[0] > 0, lambda: w @ (w @ x), lambda: w @ x)

    assert summarise(capture(branch, x, w)).product_flops == 2 * once
    assert summarise(capture(lambda x: jnp.sin(x), x)).product_flops == 0


def test_unknown_sizes_have_no_flops_and_no_memory():
    graph = Graph()
    n = Dimension("n")
    a, b = (
        graph.placeholder(TensorType("float64", s), name=k)
        for k, s in (("a", (n, 2)), ("b", (2, 3)))
    )
    given = {"dimension_numbers": [[[1], [0]], [[], []]], "preferred_element_type": "float64"}
    types = [TensorType("float64", (n, 3))]
    graph.outputs = graph.add("dot_general", [a, b], types, attributes=given).outputs
    found = summarise(graph)
    assert found.product_flops is None
    assert found.memory is None
    assert "memory      unknown" in str(found)


def test_the_memory_plan_is_in_it():
    memory = summarise(loops()).memory
    assert memory["arguments"] == 8 * (3 + 9)
    assert memory["workspace"] <= memory["without reuse"]


def test_operators_that_must_be_there():
    graph = Graph()
    kind = TensorType("float64", (2,))
    x = graph.placeholder(kind, name="x")
    for name in ("b.op", "a.op", "b.op"):
        graph.add("native_call", [x], [kind], attributes={"operator": name})
    assert summarise(graph).operators == ["a.op", "b.op"]


def test_it_is_json_and_text():
    for graph in (loops(), stateful(), hostile()):
        found = summarise(graph)
        assert json.loads(json.dumps(found.as_json()))["operations"] == found.operations
        assert str(found).replace("\n", "").isprintable()
