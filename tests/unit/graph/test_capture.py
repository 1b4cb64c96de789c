"""Capture: names, constants, structure, errors, and that nothing is lost on the way."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import (
    Graph,
    UnsupportedOperationError,
    bind_sizes,
    call,
    capture,
    evaluate,
)
from gradion.graph.cpp import write_cpp
from gradion.graph.cpp.emitters import EMITTERS
from gradion.graph.cpp.expressions import EXPRESSIONS
from gradion.graph.cpp.lowering import HOLDER_KINDS, VIEW_KINDS
from gradion.graph.graph import CUSTOM_KINDS
from gradion.graph.operators import BY_PRIMITIVE, ELEMENTWISE_KINDS, KINDS
from gradion.module import Module, Parameter

from .operation_cases import CASES, HAND_WRITTEN


class Line(Module):
    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = Parameter(slope, unit="V")
        self.register_buffer("shift", jnp.zeros(3))

    def forward(self, x):
        return self.slope * x + self.shift


class Two(Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Line(2.0)
        self.second = Line(3.0)

    def forward(self, x):
        return self.second(self.first(x))


def test_every_kind_has_a_case():
    # These two have tests of their own: below, and in test_native_call.py.
    assert {case.kind for case in CASES} == set(KINDS) - {"size", "native_call"}


def test_every_kind_is_written_in_cpp():
    assert set(EXPRESSIONS) == ELEMENTWISE_KINDS | {"copy"}
    # Written out before C++ is; numbers by then; a library of its own.
    others = set(KINDS) - ELEMENTWISE_KINDS - {"identity", "stop_gradient", "size", "native_call"}
    others -= CUSTOM_KINDS
    assert others == set(EMITTERS) | set(VIEW_KINDS) | set(HOLDER_KINDS) | {"iota"}


def test_no_primitive_has_two_kinds():
    primitives = [p for kind in KINDS.values() for p in kind.primitives]
    assert len(primitives) == len(set(primitives)) == len(BY_PRIMITIVE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_graph_gives_what_the_function_gives(case):
    graph = case.graph()
    want = jax.tree.leaves(case.function(*map(jnp.asarray, case.arrays)))
    for got, expected in zip(evaluate(graph, case.arrays), want, strict=True):
        # One operation after the other, as the function itself runs: the same bits.
        np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
        assert got.dtype == jnp.asarray(expected).dtype


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES}))
def test_a_captured_graph_of_a_graph_is_the_graph(kind):
    """IR to jaxpr and back gives the same kinds in the same order."""
    case = next(case for case in CASES if case.kind == kind)
    graph = case.graph()
    again = capture(lambda *arrays: evaluate(graph, arrays), *case.arrays)
    # Some are called through functions that add operations of their own, as for indices below 0.
    adding = ("cond", "while", "scan", "searchsorted", "dynamic_slice", "dynamic_update_slice")
    if kind not in (*adding, *HAND_WRITTEN):
        assert [o.kind for o in again] == [o.kind for o in graph]
    assert kind in {o.kind for o in again} or kind in HAND_WRITTEN


def test_parameters_and_buffers_are_inputs_by_name():
    graph = capture(lambda model, x: model(x), Two(), jnp.ones(3))
    assert [t.operation.name for t in graph.inputs] == [
        "first.slope",
        "second.slope",
        "first.shift",
        "second.shift",
        "x",
    ]
    assert {o.kind for o in graph} == {"placeholder", "mul", "add"}


def test_names_of_arguments_can_be_given():
    graph = capture(lambda a, b: a(b["t"]), Line(1.0), {"t": jnp.ones(3)}, names=("law", "data"))
    assert [t.name for t in graph.inputs] == ["law.slope:0", "law.shift:0", "data.t:0"]
    with pytest.raises(ValueError, match="got 1, expected 2"):
        capture(lambda a, b: a + b, 1.0, 2.0, names=("a",))


def test_two_modules_have_their_arguments_names_in_front():
    graph = capture(lambda one, two: one.slope + two.slope, Line(1.0), Line(2.0))
    assert [t.operation.name for t in graph.inputs][::2] == ["one.slope", "two.slope"]


def test_a_call_keeps_the_structure():
    def function(model, pair):
        return {"sum": model(pair[0]), "rest": (pair[1], pair[0] * 2)}

    arguments = (Line(3.0), (jnp.arange(3.0), jnp.asarray(7)))
    graph = capture(function, *arguments)
    got = call(graph, *arguments)
    assert jax.tree.structure(got) == jax.tree.structure(function(*arguments))
    np.testing.assert_array_equal(got["sum"], [0.0, 3.0, 6.0])
    with pytest.raises(TypeError, match="structure"):
        call(graph, Line(3.0), jnp.arange(3.0))
    with pytest.raises(ValueError, match=r"shape \(4,\), expected \(3,\)"):
        call(graph, Line(3.0), (jnp.arange(4.0), jnp.asarray(7)))


def test_an_array_that_is_closed_over_is_one_constant():
    table = jnp.arange(4.0)
    graph = capture(lambda x: table * x + table, jnp.ones(4))
    constants = [o for o in graph if o.kind == "constant"]
    assert len(constants) == 1
    np.testing.assert_array_equal(constants[0].value, table)


def test_what_no_output_needs_is_left_out():
    graph = capture(lambda x: (jnp.sin(x), x + 1.0)[1], jnp.ones(2))
    assert {o.kind for o in graph} == {"placeholder", "constant", "add"}


def test_scopes_and_lines_are_kept():
    def function(x):
        with jax.named_scope("outer"), jax.named_scope("inner"):
            return jnp.exp(x)

    (operation,) = [o for o in capture(function, jnp.ones(2)) if o.kind == "exp"]
    assert operation.name == "outer/inner/exp_1"
    assert operation.scope == "outer/inner"
    assert operation.source.file == __file__
    assert operation.source.line == function.__code__.co_firstlineno + 2


def test_an_operation_outside_of_the_set_is_named_with_its_line():
    def function(x):
        return jnp.sort(x) + 1.0

    with pytest.raises(UnsupportedOperationError, match=r"'sort'") as error:
        capture(function, jnp.ones(3))
    assert error.value.operation == "sort"
    assert error.value.source.line == function.__code__.co_firstlineno + 1
    assert error.value.source.file == __file__


def test_an_effect_is_not_dropped_silently():
    def function(x):
        jax.debug.print("{}", x)
        return x

    with pytest.raises(UnsupportedOperationError, match="debug"):
        capture(function, jnp.ones(3))


def test_a_graph_of_unknown_sizes_serves_all():
    def function(x):
        y = jnp.concatenate([x, x[:1]]).reshape(-1)
        return jnp.mean(x, axis=0), y * jnp.arange(y.shape[0]), x.shape[0] + jnp.sum(x)

    n, _ = jax.export.symbolic_shape("n, m")
    graph = capture(function, jax.ShapeDtypeStruct((n, 3), jnp.float64))
    assert str(graph.inputs[0].type) == "float64[n,3]"
    assert str(graph.outputs[1].type) == "float64[3*n + 3]"
    assert "size" in {operation.kind for operation in graph}
    for rows in (1, 2, 5):
        x = np.arange(3.0 * rows).reshape(rows, 3)
        for got, want in zip(call(graph, x), function(jnp.asarray(x)), strict=True):
            np.testing.assert_array_equal(got, want)
    with pytest.raises(ValueError, match=r"has shape \(2, 4\), expected \(n, 3\)"):
        call(graph, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="a size is not known; use gradion.graph.bind_sizes"):
        write_cpp({"law": graph})
    bound = bind_sizes(graph, {"n": 2})
    assert [str(t.type) for t in bound.outputs] == ["float64[3]", "float64[9]", "float64[]"]
    np.testing.assert_array_equal(evaluate(bound, [np.ones((2, 3))])[0], np.ones(3))


def test_a_rule_of_a_derivative_is_the_functions():
    @jax.custom_jvp
    def clipped(x):
        return jnp.clip(x, 0.0, 1.0)

    clipped.defjvp(lambda x, t: (clipped(*x), 3.0 * t[0]))
    push = capture(lambda x, t: jax.jvp(clipped, (x,), (t,))[1], 5.0, 1.0)
    assert float(call(push, 5.0, 1.0)) == 3.0


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("maps", [0, 1, 2])
def test_a_search_is_one_operation_under_transformations(side, maps):
    nodes, x = jnp.linspace(0.0, 1.0, 9), jnp.linspace(-0.1, 1.1, 24).reshape(2, 3, 4)

    def function(nodes, x):
        return nodes[jnp.searchsorted(nodes, x, side=side, method="compare_all")] * x

    mapped = function
    for _ in range(maps):
        mapped = jax.vmap(mapped, (None, 0))
    for graph in (
        capture(mapped, nodes, x),
        capture(lambda n, x: jax.jvp(mapped, (n, x), (n, x))[1], nodes, x),
        capture(lambda n, x: jax.vjp(mapped, n, x)[1](x), nodes, x),
        capture(lambda n, x: jax.jvp(lambda x: mapped(n, x), (x,), (x,))[1], nodes, x),
    ):
        searches = [o for o in graph if o.kind == "searchsorted"]
        assert [o.attributes for o in searches] == [{"right": side == "right"}] * len(searches)
        assert searches
    np.testing.assert_array_equal(call(capture(mapped, nodes, x), nodes, x), mapped(nodes, x))


def test_interp_is_a_search_with_arithmetic():
    nodes = jnp.linspace(0.0, 1.0, 9)
    graph = capture(lambda x, y: jnp.interp(x, nodes, y), jnp.linspace(0, 1, 5), nodes**2)
    assert sum(o.kind == "searchsorted" for o in graph) == 1


def test_a_function_that_is_only_called_searchsorted_is_taken_as_it_stands():
    @jax.jit
    def searchsorted(table, x):
        return (x * table[0]).astype(jnp.int32)

    graph = capture(lambda t, x: searchsorted(t, x), jnp.ones(3), jnp.ones(2))
    assert "searchsorted" not in {o.kind for o in graph}
    assert {o.scope for o in graph if o.kind == "mul"} == {"searchsorted"}


def test_a_graph_is_of_its_own_tensors():
    first, second = (capture(lambda x: x + 1.0, 1.0) for _ in range(2))
    with pytest.raises(ValueError, match="another graph"):
        first.outputs = second.outputs
    graph = Graph()
    graph.finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        graph.constant(1.0)
    with pytest.raises(ValueError, match="unknown operation 'ad_1'.*'add_1'"):
        first.operation("ad_1")


def test_wrong_inputs_are_refused():
    graph = capture(lambda x: x + 1.0, jnp.ones(3))
    with pytest.raises(TypeError, match="got 2 inputs, expected 1"):
        evaluate(graph, [1.0, 2.0])
    with pytest.raises(TypeError, match="got int64, expected float64"):
        evaluate(graph, [jnp.arange(3)])
    with pytest.raises(ValueError, match=r"got shape \(2,\), expected \(3,\)"):
        evaluate(graph, [jnp.ones(2)])
