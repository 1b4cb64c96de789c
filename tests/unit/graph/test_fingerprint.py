"""The digest of a graph: what counts in it, and what does not."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gradion.foundation.dimension import Dimension
from gradion.graph import Graph, TensorType, capture
from gradion.graph.fingerprint import fingerprint

F64 = TensorType("float64", (3,))


def binary(kind="sub", *, names=("x", "y"), swapped=False, dead=False, types=(F64, F64), **kw):
    """The graph of `x - y`, or of something like it."""
    graph = Graph()
    x, y = (graph.placeholder(t, name=n) for t, n in zip(types, names, strict=True))
    if dead:
        graph.add("neg", [x], [types[0]])
    inputs = [y, x] if swapped else [x, y]
    graph.outputs = graph.add(kind, inputs, [types[0]], **kw).outputs
    return graph


def unary(value, attributes=None):
    """The graph of a constant with an operation on it."""
    graph = Graph()
    array = np.asarray(value)
    tensor = graph.constant(array)
    types = [TensorType(array.dtype.name, array.shape)]
    graph.outputs = graph.add("neg", [tensor], types, attributes=attributes).outputs
    return graph


def two_outputs(*, order=(0, 1), first="sin"):
    graph = Graph()
    x = graph.placeholder(F64, name="x")
    made = {kind: graph.add(kind, [x], [F64]).outputs[0] for kind in (first, "exp")}
    graph.outputs = [list(made.values())[i] for i in order]
    return graph


def test_names_scopes_and_dead_operations_do_not_count():
    wanted = fingerprint(binary())
    assert len(wanted) == 64
    assert fingerprint(binary()) == wanted
    assert fingerprint(binary(names=("a", "b"))) == wanted
    assert fingerprint(binary(name="difference", scope="loss")) == wanted
    assert fingerprint(binary(dead=True)) == wanted


def test_the_order_of_operations_does_not_count():
    def graph(kinds):
        made = Graph()
        x = made.placeholder(F64, name="x")
        found = {kind: made.add(kind, [x], [F64]).outputs[0] for kind in kinds}
        made.outputs = made.add("mul", [found["sin"], found["exp"]], [F64]).outputs
        return made

    assert fingerprint(graph(["sin", "exp"])) == fingerprint(graph(["exp", "sin"]))


@pytest.mark.parametrize(
    "other",
    [
        binary("add"),
        binary(swapped=True),
        binary(attributes={"mode": "fast"}),
        binary(types=(TensorType("float64", (4,)), TensorType("float64", (4,)))),
        binary(types=(TensorType("float32", (3,)), TensorType("float32", (3,)))),
        binary(types=(F64, TensorType("float64", (Dimension("batch"),)))),
    ],
    ids=["kind", "operands", "attribute", "shape", "dtype", "dimension"],
)
def test_what_counts_in_an_operation(other):
    assert fingerprint(other) != fingerprint(binary())


def test_the_order_of_outputs_and_which_one_counts():
    found = {
        fingerprint(graph)
        for graph in (
            two_outputs(),
            two_outputs(order=(1, 0)),
            two_outputs(order=(0,)),
            two_outputs(order=(0, 0)),
            two_outputs(first="cos"),
        )
    }
    assert len(found) == 5


def test_the_order_of_inputs_counts_and_unused_ones_too():
    def graph(names):
        made = Graph()
        inputs = {name: made.placeholder(F64, name=name) for name in names}
        made.outputs = made.add("neg", [inputs["x"]], [F64]).outputs
        return made

    assert len({fingerprint(graph(n)) for n in (["x"], ["x", "y"], ["y", "x"])}) == 3


def test_constants_count_by_their_bits():
    quiet = np.array([0x7FF8000000000000], np.uint64).view(np.float64)
    other = np.array([0x7FF8000000000001], np.uint64).view(np.float64)
    arrays = [
        *(np.array([x]) for x in (0.0, -0.0, 1, True)),
        *(quiet, other, np.float32([0.0]), np.zeros((1, 1)), np.zeros(()), np.zeros(0)),
        np.asarray(jnp.zeros(1, jnp.bfloat16)),
    ]
    assert len({fingerprint(unary(array)) for array in arrays}) == len(arrays)
    ordered = np.arange(6.0).reshape(2, 3)
    assert fingerprint(unary(ordered)) == fingerprint(unary(np.asfortranarray(ordered)))


def test_attributes_count_as_values_of_json():
    given = [1, 1.0, True, "1", None, [1], [[1]], {"1": 1}, 0.0, -0.0, float("nan")]
    assert len({fingerprint(unary(1.0, {"a": value})) for value in given}) == len(given)
    same = [{"a": (1, 2), "b": 3}, {"b": 3, "a": [1, 2]}, {"a": [np.int64(1), 2], "b": 3}]
    assert len({fingerprint(unary(1.0, attributes)) for attributes in same}) == 1
    with pytest.raises(TypeError, match="a value of JSON"):
        fingerprint(unary(1.0, {"a": object()}))


def test_subgraphs_count():
    def graph(factor):
        return capture(lambda x: lax.fori_loop(0, 3, lambda i, y: y * factor, x), 1.0)

    assert fingerprint(graph(2.0)) == fingerprint(graph(2.0))
    assert fingerprint(graph(2.0)) != fingerprint(graph(3.0))


def test_effects_count_in_their_order():
    def graph(*, name="v", read_first):
        made = Graph()
        x = made.placeholder(F64, name="x")
        held = made.add("variable", (), (), name=name, attributes={"variable": name})

        def write():
            return made.add("assign_variable", [x], [F64], attributes={"variable": name})

        def read():
            kind = "read_variable"
            return made.add(kind, (), [F64], attributes={"variable": name}, control_inputs=[held])

        steps = [read, write] if read_first else [write, read]
        done = {step: step() for step in steps}
        made.outputs = done[read].outputs
        return made

    before, after = graph(read_first=True), graph(read_first=False)
    assert fingerprint(before) != fingerprint(after)
    assert fingerprint(before) == fingerprint(graph(read_first=True))
    assert fingerprint(before) != fingerprint(graph(name="w", read_first=True))
