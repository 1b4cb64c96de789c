"""What runs for a fetch, and what feeding cuts off."""

from __future__ import annotations

import numpy as np
import pytest

from gradion.graph import Graph, TensorType, evaluate
from gradion.graph.build import apply, placeholder


@pytest.fixture(scope="module")
def graph():
    with Graph() as made:
        x = placeholder("float64", (3,), name="x")
        y = placeholder("float64", (3,), name="y")
        product = apply(lambda a, b: a * b, x, y, name="product")
        first, second = apply(lambda a: (a[:1], a[1:]), product, name="parts")
        apply(lambda a, b: a.sum() + b.sum(), first, second, name="total")
    return made


def _kinds(part):
    return [operation.kind for operation in part]


def test_only_what_is_needed_is_in_it(graph):
    part = graph.subgraph([graph.operation("product").outputs[0]])
    assert _kinds(part) == ["placeholder", "placeholder", "mul"]
    assert [t.name for t in part.inputs] == ["x:0", "y:0"]


def test_any_tensor_can_be_fed(graph):
    product = graph.operation("product").outputs[0]
    total = graph.operation("total").outputs[0]
    part = graph.subgraph([total, product], [product])
    assert [t.name for t in part.inputs] == ["product:0"]
    assert float(evaluate(part, [np.array([1.0, 2.0, 4.0])])[0]) == 7.0
    assert part.outputs[1] is part.inputs[0]


def test_one_of_two_results_is_fed_and_the_other_computed():
    made = Graph()
    x = made.placeholder(TensorType("float64", (4,)), name="x")
    half = TensorType("float64", (2,))
    parts = made.add("split", [x], [half, half], attributes={"sizes": (2, 2), "axis": 0})
    both = made.add("add", parts.outputs, [half], name="both").outputs[0]
    part = made.subgraph([both], [parts.outputs[1], x])
    got = evaluate(part, [np.array([10.0, 20.0]), np.arange(4.0)])
    np.testing.assert_array_equal(got[0], [10.0, 21.0])
    only_second = made.subgraph([both], list(parts.outputs))
    assert _kinds(only_second) == ["placeholder", "placeholder", "add"]


def test_feeds_keep_their_order_and_unfed_placeholders_follow(graph):
    x, y = graph.inputs
    total = graph.operation("total").outputs[0]
    assert [t.name for t in graph.subgraph([total], [y]).inputs] == ["y:0", "x:0"]
    assert [t.name for t in graph.subgraph([total], [y, x]).inputs] == ["y:0", "x:0"]


def test_a_tensor_of_another_graph_is_refused(graph):
    other = Graph()
    tensor = other.placeholder(TensorType("float64", ()), name="z")
    with pytest.raises(ValueError, match="another graph"):
        graph.subgraph([tensor])
    with pytest.raises(ValueError, match="another graph"):
        graph.subgraph([graph.operation("total")], [tensor])
    x = graph.inputs[0]
    with pytest.raises(ValueError, match="x:0 is fed twice"):
        graph.subgraph([x], [x, x])
