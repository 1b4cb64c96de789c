"""Differences of graphs."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from gradion.graph import Graph, TensorType, capture
from gradion.graph.render import compare_graphs
from gradion.graph.state import add_assignment, add_read, add_variable

from .graph_examples import HOSTILE, hostile, loops, random_graph, stateful

KIND = TensorType("float64", (2,))


def copied(graph: Graph, *, first: int = 0, reverse_names: bool = False) -> Graph:
    """The same graph with its numbered names counted otherwise."""
    made = Graph()
    known = {}
    total = len(graph)
    for i, operation in enumerate(graph):
        is_named = operation.kind in ("placeholder", "variable") or operation.attributes.get(
            "initial"
        )
        number = total - i if reverse_names else i + first
        copy = made.copy(
            operation,
            [known[t] for t in operation.inputs],
            name=operation.name if is_named else f"{operation.kind}_{number}",
            control_inputs=[
                known[t].operation for b in operation.control_inputs for t in b.outputs[:1]
            ],
        )
        known.update(zip(operation.outputs, copy.outputs, strict=True))
    made.outputs = [known[t] for t in graph.outputs]
    return made


def line(*kinds: str, value: float = 2.0, **attributes: object) -> Graph:
    """Operations on one input, each of the one before and a constant."""
    graph = Graph()
    tensor = graph.placeholder(KIND, name="x")
    constant = graph.constant(value)
    for kind in kinds:
        tensor = graph.add(kind, [tensor, constant], [KIND], attributes=attributes).outputs[0]
    graph.outputs = [tensor]
    return graph


@pytest.mark.parametrize("seed", range(4))
def test_other_names_make_no_difference(seed):
    graph = random_graph(seed, 40)
    found = compare_graphs(graph, copied(graph, first=100))
    assert found.is_equal
    assert len(found.renamed) > 30
    assert compare_graphs(graph, copied(graph, reverse_names=True)).is_equal
    assert str(compare_graphs(graph, graph)) == "equal"


def test_one_more_operation_at_the_front_is_one_addition():
    before, after = line("mul", "mul", "add", "mul"), line("add", "mul", "mul", "add", "mul")
    found = compare_graphs(before, after)
    assert (len(found.added), found.removed, found.interface) == (1, (), ())
    assert found.added[0].startswith("add_1: float64[2] = add(x:0")
    (change,) = found.changed
    assert change.what == ("input 0: x:0 -> add_1:0",)
    back = compare_graphs(after, before)
    assert (back.added, len(back.removed), len(back.changed)) == ((), 1, 1)


def test_a_changed_attribute_kind_and_constant_are_named():
    (change,) = compare_graphs(line("mul", y=2), line("mul", y=3.0)).changed
    assert change.what == ("y: 2 -> 3.0",)
    (change,) = compare_graphs(line("mul", y=1), line("mul", y=1.0)).changed
    assert change.what == ("y: 1 -> 1.0",)
    (change,) = compare_graphs(line("mul", y=1), line("mul", z=1)).changed
    assert change.what == ("y: 1 -> (none)", "z: (none) -> 1")
    (change,) = compare_graphs(line("mul", value=2.0), line("mul", value=2.5)).changed
    assert change.what == ("value: largest difference 0.5, in 1 of 1 elements",)
    (change,) = compare_graphs(line("mul", value=0.0), line("mul", value=-0.0)).changed
    assert change.what == ("value: equal numbers, other bits",)


def test_a_changed_operation_between_others_is_no_removal():
    found = compare_graphs(line("mul", "sub", "mul"), line("mul", "div", "mul"))
    # Kinds differ, and so do their numbered names: it went and another came.
    assert [text.split(":")[0] for text in (*found.removed, *found.added)] == ["sub_1", "div_1"]
    graphs = []
    for kind in ("sub", "div"):
        graph = Graph()
        x = graph.placeholder(KIND, name="x")
        named = graph.add(kind, [x, x], [KIND], name="loss").outputs[0]
        graph.outputs = [graph.add("sin", [named], [KIND]).outputs[0]]
        graphs.append(graph)
    found = compare_graphs(*graphs)
    assert (found.added, found.removed) == ((), ())
    assert found.changed[0].what == ("kind: sub -> div",)


def test_types_outputs_and_order_of_inputs():
    def graph(names: str, dtype: str, order: tuple[int, ...]) -> Graph:
        made = Graph()
        kind = TensorType(dtype, (2,))
        inputs = {name: made.placeholder(kind, name=name) for name in names}
        results = [made.add("sin", [inputs[name]], [kind]).outputs[0] for name in "ab"]
        made.outputs = [results[i] for i in order]
        return made

    first = graph("ab", "float64", (0, 1))
    assert compare_graphs(first, graph("ab", "float64", (0, 1))).is_equal
    found = compare_graphs(first, graph("ba", "float64", (0, 1)))
    assert found.interface == ("order of inputs: a, b -> b, a",)
    found = compare_graphs(first, graph("ab", "float64", (0,)))
    assert found.interface == ("output 1: sin_2:0 -> (none)",)
    found = compare_graphs(first, graph("ab", "float32", (0, 1)))
    assert len(found.changed) == 4
    assert found.changed[0].what == ("type: float64[2] -> float32[2]",)


def test_a_difference_inside_of_a_loop_is_found():
    def make(factor: float) -> Graph:
        def body(carry, t):
            return carry * factor + t, carry

        return capture(lambda x: jax.lax.scan(body, x, np.arange(3.0)), np.ones(2))

    assert compare_graphs(make(2.0), make(2.0)).is_equal
    (change,) = compare_graphs(make(2.0), make(3.0)).changed
    assert change.before == "scan_1"
    assert any(what.startswith("body:     value: largest difference 1") for what in change.what)


def test_values_of_variables():
    graph = stateful()
    old = {"w": np.array([1.0, np.nan]), "gone": np.zeros(1)}
    new = {"w": np.array([1.5, np.nan]), "new": np.zeros(1)}
    found = compare_graphs(graph, graph, variables=(old, new))
    assert found.variables == (
        "value of w: largest difference 0.5, in 1 of 2 elements",
        "value of gone: gone",
        "value of new: new",
    )
    assert compare_graphs(graph, graph, variables=(old, dict(old))).is_equal


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            np.array([1, 255], np.uint8),
            np.array([2, 0], np.uint8),
            "largest difference 255, in 2 of 2",
        ),
        (np.array([True]), np.array([False]), "largest difference 1, in 1 of 1"),
        (np.array([np.inf]), np.array([-np.inf]), "largest difference inf, in 1 of 1"),
        (np.array([np.nan]), np.array([0.0]), "largest difference nan, in 1 of 1"),
        (np.zeros(2), np.zeros(3), "float64[2] -> float64[3]"),
        (np.array([3 + 4j]), np.array([0j]), "largest difference 5, in 1 of 1"),
        (np.zeros(2, np.float32), np.zeros(2), "float32[2] -> float64[2]"),
    ],
)
def test_values_of_every_dtype_can_differ(old, new, expected):
    graph = Graph()
    found = compare_graphs(graph, graph, variables=({"w": old}, {"w": new}))
    assert found.variables[0].startswith(f"value of w: {expected}")


def test_a_variable_of_another_name_is_another():
    graph = stateful()
    other = Graph()
    for operation in graph:
        if operation.kind == "variable":
            other.copy(operation, (), name="v")
    found = compare_graphs(graph, other)
    assert not found.is_equal
    assert "w = variable()" in found.removed


def test_it_is_json_and_text():
    found = compare_graphs(loops(), hostile())
    assert json.loads(json.dumps(found.as_json()))["equal"] is False
    text = str(found)
    assert text.replace("\n", "").isprintable()
    assert HOSTILE not in text


def test_the_order_of_effects_is_a_difference():
    def graph(*, read_first: bool) -> Graph:
        made = Graph()
        variable = add_variable(made, KIND, name="w")
        value = made.placeholder(KIND, name="x")
        if read_first:
            read = add_read(made, variable)
        add_assignment(made, variable, value)
        if not read_first:
            read = add_read(made, variable)
        made.outputs = [read]
        return made

    assert compare_graphs(graph(read_first=True), graph(read_first=True)).is_equal
    found = compare_graphs(graph(read_first=True), graph(read_first=False))
    (line,) = found.interface
    assert line.startswith("order of effects: w, w/read_variable_1, w/assign_variable_1 -> w, w/as")
