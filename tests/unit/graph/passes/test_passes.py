"""Passes by themselves: what they do, what they leave, what they say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gradion.graph import Graph, TensorType, call, capture, evaluate
from gradion.graph.passes import (
    BACK_END_PASSES,
    DEFAULT_PASSES,
    count_operations,
    fold_constants,
    inline,
    merge_equal,
    optimise,
    prune_unused,
    settle_control,
    simplify,
)

F = "float64"
NUMBER, THREE = TensorType(F, ()), TensorType(F, (3,))


def kinds(graph):
    return [o.kind for o in graph if o.kind not in ("placeholder", "constant")]


def one(graph, kind, inputs, made, /, **attributes):
    return graph.add(kind, inputs, [made], attributes=attributes).outputs[0]


# Pruning


def test_pruning_keeps_inputs_names_and_lines():
    def f(x, unused):
        with jax.named_scope("outer"):
            y = jnp.sin(x)
        return jnp.exp(y)

    graph = capture(f, np.ones(3), np.ones(3))
    (sine, exponential) = (o for o in graph if o.inputs)
    graph.add("cos", [sine.outputs[0]], [THREE], name="dead")
    result = prune_unused(graph)
    assert [t.name for t in result.graph.inputs] == ["x:0", "unused:0"]
    assert [c.operation for c in result.report.changes] == ["dead"]
    for old in (sine, exponential):
        new = result.graph.operation(old.name)
        assert (new.scope, new.source) == (old.scope, old.source)
    assert result.graph.signature is graph.signature
    assert prune_unused(result.graph).graph is result.graph


def test_pruning_goes_into_subgraphs_and_keeps_effects():
    graph, body = Graph(), Graph()
    x = body.placeholder(NUMBER, name="input_0")
    one(body, "sin", [x], NUMBER)
    body.outputs = [x]
    y = graph.placeholder(NUMBER, name="y")
    graph.add("variable", (), (), name="v", attributes={"dtype": F, "shape": (), "trainable": True})
    written = graph.add("neg", [y], [NUMBER], name="written").outputs[0]
    made = {"variable": "v"}
    graph.add("assign_variable", [written], [NUMBER], name="assign", attributes=made)
    index = graph.constant(np.int32(0), name="index")
    chosen = graph.add("cond", [index, y], [NUMBER], name="cond", subgraphs=[body, body])
    graph.outputs = chosen.outputs
    result = prune_unused(graph)
    assert [str(c) for c in result.report.changes] == ["cond/sin_1: removed"] * 2
    assert [o.name for o in result.graph] == ["y", "v", "written", "assign", "index", "cond"]


# Constants


def test_what_is_known_is_computed_as_jax_does():
    graph = Graph()
    x = graph.constant(np.array([0.1, -0.0, np.nan]))
    y = graph.add("exp", [x], [THREE], name="e").outputs[0]
    graph.outputs = [graph.add("mul", [y, y], [THREE], name="m").outputs[0]]
    result = fold_constants(graph)
    assert [o.kind for o in result.graph] == ["constant"] * 3
    (found,) = evaluate(result.graph, [])
    want = lax.exp(jnp.array([0.1, -0.0, np.nan]))
    assert np.asarray(found).tobytes() == np.asarray(want * want).tobytes()
    assert result.graph.outputs[0].name == "m:0"
    assert [c.operation for c in result.report.changes] == ["e", "m"]


def test_a_constant_is_converted_as_xla_does():
    graph = Graph()
    x = graph.constant(np.array([np.nan, -1e300, 2.5]))
    made = TensorType("int32", (3,))
    graph.outputs = [one(graph, "convert_element_type", [x], made, new_dtype="int32")]
    for found in (evaluate(graph, []), evaluate(fold_constants(graph).graph, [])):
        assert found[0].tolist() == [0, -(2**31), 2]


def test_results_that_are_too_large_are_not_written_down():
    table = np.arange(1000.0)
    alone = capture(lambda x: x + jnp.exp(table), 1.0)
    assert kinds(fold_constants(alone).graph) == ["add"]
    # Both read the table, so that neither frees its memory.
    shared = capture(lambda x: (x + jnp.exp(table), x * jnp.sin(table)), 1.0)
    assert kinds(fold_constants(shared).graph) == kinds(shared) == ["exp", "add", "sin", "mul"]
    # The sum is small; when it is there, nobody else reads the table.
    summed = capture(lambda x: (x + jnp.exp(table), x * jnp.sum(table)), 1.0)
    assert kinds(fold_constants(summed).graph) == ["add", "mul"]
    repeated = capture(lambda x: x + lax.concatenate([table, table], 0), 1.0)
    assert kinds(fold_constants(repeated).graph) == ["concatenate", "add"]


def test_generators_stay_but_what_is_computed_of_them_is_folded():
    graph = Graph()
    x = graph.placeholder(TensorType(F, (2, 3)), name="x")
    zeros = graph.constant(np.array(2.0))
    spread = one(graph, "broadcast_in_dim", [zeros], x.type, shape=(2, 3), broadcast_dimensions=())
    graph.outputs = [
        one(graph, "add", [x, spread], x.type),
        one(graph, "reduce_sum", [spread], NUMBER, axes=(0, 1)),
    ]
    result = fold_constants(graph)
    assert kinds(result.graph) == ["broadcast_in_dim", "add"]
    assert result.graph.outputs[1].operation.value == 12.0


def test_loops_are_not_run_while_a_graph_is_optimised():
    graph = capture(lambda x: x + lax.fori_loop(0, 10**9, lambda i, c: c * 1.5, 1.0), 1.0)
    assert "scan" in kinds(optimise(graph).graph)


def test_folding_works_while_jax_traces():
    graph = Graph()
    x = graph.constant(np.array(2.0))
    graph.outputs = [one(graph, "neg", [x], NUMBER)]
    assert jax.jit(lambda: evaluate(fold_constants(graph).graph, []))()[0] == -2.0


# Equal operations


def test_equal_operations_become_the_first_of_them():
    def f(x):
        return jnp.sin(x) + jnp.sin(x), jnp.sum(x, 0), jnp.sum(x, 1)

    graph = capture(f, np.ones((3, 3)))
    result = merge_equal(graph)
    assert kinds(result.graph) == ["sin", "add", "reduce_sum", "reduce_sum"]
    assert [str(c) for c in result.report.changes] == ["sin_2: merged -> sin_1:0"]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (0.0, 0.0, True),
        (0.0, -0.0, False),
        (1.0, np.float32(1.0), False),
        (np.nan, np.nan, True),
        (np.nan, -np.nan, False),
        (np.array([1.0]), np.array([[1.0]]), False),
        (np.int32(1), True, False),
    ],
)
def test_constants_are_equal_by_their_bits(a, b, equal):
    graph = Graph()
    graph.outputs = [graph.constant(np.asarray(a)), graph.constant(np.asarray(b))]
    first, second = merge_equal(graph).graph.outputs
    assert (first is second) is equal


def test_arguments_commute_only_where_no_bit_changes():
    integers, floats = TensorType("int32", (3,)), THREE
    for made, expected in ((integers, 1), (floats, 2)):
        graph = Graph()
        x, y = (graph.placeholder(made, name=name) for name in "xy")
        graph.outputs = [one(graph, "add", pair, made) for pair in ((x, y), (y, x))]
        assert len(kinds(merge_equal(graph).graph)) == expected


def test_conditionals_of_equal_branches_are_merged_and_of_others_are_not():
    def f(i, x):
        branches = [jnp.sin, jnp.cos]
        return (
            lax.switch(i, branches, x),
            lax.switch(i, branches, x),
            lax.switch(i, branches[::-1], x),
        )

    graph = capture(f, np.int32(0), 1.0)
    assert kinds(merge_equal(graph).graph).count("cond") == 2


def test_what_has_effects_or_waits_is_left_as_it_is():
    graph = Graph()
    x = graph.placeholder(NUMBER, name="x")
    one_ = graph.constant(np.array(1.0), name="one")
    graph.add("variable", (), (), name="v", attributes={"dtype": F, "shape": (), "trainable": True})
    reads = [
        graph.add("read_variable", (), [NUMBER], name=name, attributes={"variable": "v"})
        for name in ("first", "second")
    ]
    waits = graph.add("mul", [x, one_], [NUMBER], name="waits", control_inputs=[reads[0]])
    graph.add("mul", [x, one_], [NUMBER], name="free")
    awaited = graph.add("mul", [x, one_], [NUMBER], name="awaited")
    graph.add("group", (), (), name="all", control_inputs=[awaited, waits])
    graph.outputs = [r.outputs[0] for r in reads]
    for run in (*BACK_END_PASSES, lambda graph: optimise(graph)):
        after = run(graph).graph
        names = [o.name for o in after]
        assert [n for n in names if n != "free"] == [o.name for o in graph if o.name != "free"]
        group = after.operation("all")
        assert [o.name for o in group.control_inputs] == ["awaited", "waits"]
        assert [o.name for o in after.operation("waits").control_inputs] == ["first"]


# Slices at places that are known


@pytest.mark.parametrize("start", [-7, -5, -1, 0, 4, 9])
def test_a_place_outside_is_where_jax_has_it(start):
    def f(x, i):
        part = lax.dynamic_slice(x, (i,), (2,))
        return part, lax.dynamic_update_slice(x, 10.0 * part, (i,))

    x, i = np.arange(5.0), np.int32(start)
    known = capture(lambda x: f(x, lax.bitwise_not(~i)), x)
    found = optimise(known).graph
    assert "dynamic_slice" not in kinds(found)
    want = f(x, i)
    for got in (call(capture(f, x, i), x, i), call(known, x), call(found, x)):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)


# Functions with rules, conditionals, loops


def test_a_function_with_a_rule_is_written_out_under_its_scope():
    @jax.custom_jvp
    def f(x):
        return jnp.sin(x) * x

    f.defjvp(lambda primals, tangents: (f(*primals), 3.0 * tangents[0]))
    graph = capture(lambda x: lax.stop_gradient(f(x)) + f(f(x)), 2.0)
    before = kinds(graph).count("custom_jvp")
    result = inline(graph)
    assert before == 3
    assert sorted(kinds(result.graph)) == ["add", *["mul"] * 3, *["sin"] * 3]
    assert call(result.graph, 2.0) == call(graph, 2.0)
    assert optimise(graph, DEFAULT_PASSES).report.counts.get("inlined") is None, "keeps derivatives"


def test_a_known_branch_and_an_only_one():
    def branches(graph, x, index, count):
        made = []
        for factor in range(count):
            body = Graph()
            y = body.placeholder(NUMBER, name="y")
            body.outputs = [one(body, "mul", [y, body.constant(np.array(factor + 2.0))], NUMBER)]
            made.append(body)
        return graph.add("cond", [index, x], [NUMBER], name="cond", subgraphs=made).outputs

    for index, count, factor in ((-7, 3, 2.0), (1, 3, 3.0), (9, 3, 4.0)):
        graph = Graph()
        x = graph.placeholder(NUMBER, name="x")
        graph.outputs = branches(graph, x, graph.constant(np.int32(index)), count)
        result = settle_control(graph)
        assert [o.name for o in result.graph if o.inputs] == ["cond/mul_1"]
        assert evaluate(result.graph, [5.0]) == evaluate(graph, [5.0]) == [5.0 * factor]
    graph = Graph()
    x, index = (
        graph.placeholder(NUMBER, name="x"),
        graph.placeholder(TensorType("int32", ()), name="i"),
    )
    graph.outputs = branches(graph, x, index, 1)
    assert kinds(settle_control(graph).graph) == ["mul"]


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_loops_of_no_step_and_of_one(length, reverse):
    def f(c, xs):
        step = lambda c, x: ((c[0] + x, c[1] * 2.0), (x * c[1], c[0]))  # noqa: E731
        return lax.scan(step, (c, c), xs, length=length, reverse=reverse)

    arrays = (np.array(3.0), np.arange(2.0, 2.0 + length))
    graph = capture(f, *arrays)
    result = settle_control(graph)
    assert ("scan" in kinds(result.graph)) is (length == 2)
    got, want = jax.tree.leaves(call(result.graph, *arrays)), jax.tree.leaves(f(*arrays))
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_a_loop_that_never_runs():
    graph = capture(lambda x: lax.while_loop(lambda c: False, lambda c: c + 1.0, x), 1.0)
    assert kinds(settle_control(graph).graph) == []


def test_a_branch_that_becomes_known_inside_of_another_is_taken_too():
    integer = TensorType("int32", ())
    body = Graph()
    which, y = body.placeholder(integer, name="which"), body.placeholder(NUMBER, name="y")
    cases = []
    for kind in ("neg", "square"):
        case = Graph()
        case.outputs = [one(case, kind, [case.placeholder(NUMBER, name="z")], NUMBER)]
        cases.append(case)
    body.outputs = body.add("cond", [which, y], [NUMBER], name="inner", subgraphs=cases).outputs
    graph = Graph()
    x, index = graph.placeholder(NUMBER, name="x"), graph.constant(np.int32(1))
    inputs = [index, index, x]
    graph.outputs = graph.add(
        "cond", inputs, [NUMBER], name="outer", subgraphs=[body, body]
    ).outputs
    result = settle_control(graph)
    assert [o.name for o in result.graph if o.inputs] == ["outer/inner/square_1"]
    assert [str(c) for c in result.report.changes] == [
        "outer/inner: branch known -> outer/inner/square_1:0",
        "outer: branch known -> outer/inner/square_1:0",
    ]


# All of them


def test_optimise_says_what_it_did():
    def f(x):
        return (jnp.sin(x) + jnp.sin(x) * 1.0).reshape(3).T + jnp.exp(2.0)

    graph = capture(f, np.ones(3))
    result = optimise(graph)
    assert kinds(result.graph) == ["sin", "add", "add"]
    assert result.report.n_before == count_operations(graph)
    assert result.report.n_after == 3
    assert sum(result.report.counts.values()) == len(result.report.changes)
    text = str(result.report)
    assert text.splitlines()[0].split() == ["pass", "before", "after", "changes"]
    assert "merged" in text
    assert text.splitlines()[-1].startswith("total")
    assert all(part.changes for part in optimise(graph, [simplify]).report.parts[:1])


def test_an_input_that_is_an_output_and_a_twice_wanted_one_stay():
    graph = capture(lambda x, y: (x, x * 1.0, y, y), 1.0, 2.0)
    after = optimise(graph).graph
    assert [t.name for t in after.outputs] == ["x:0", "x:0", "y:0", "y:0"]
    assert call(after, 1.0, 2.0) == (1.0, 1.0, 2.0, 2.0)


def test_new_names_never_are_old_ones():
    graph = Graph()
    x = graph.placeholder(TensorType("int32", (3,)), name="int32_0")
    zero = graph.constant(np.zeros(3, np.int32), name="zero")
    graph.outputs = [one(graph, "mul", [x, zero], x.type), one(graph, "sub", [x, x], x.type)]
    after = simplify(graph).graph
    assert after.operation("int32_0").kind == "placeholder"
    assert after.operation("int32_0_1").kind == "constant"
