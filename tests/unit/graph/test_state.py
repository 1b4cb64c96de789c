"""Variables, checks and control inputs, as the function that a run is."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.errors import InputError
from gradion.graph import Graph, capture, evaluate, purify, with_variables
from gradion.graph.build import (
    check,
    constant,
    control_dependencies,
    graph_variables,
    group,
    identity,
    initialize_all,
    placeholder,
    variable,
)
from gradion.module import Module, Parameter


def _names(operations):
    return [operation.name for operation in operations]


def test_reads_and_writes_happen_in_the_order_of_the_graph():
    with Graph() as graph:
        v = variable(2.0, name="v")
        before = v * 1.0
        once = v.assign_add(3.0)
        between = v * 1.0
        twice = v.assign(v * 10.0)
    pure = purify(graph.subgraph([before, once, between, twice]))
    assert (_names(pure.reads), _names(pure.writes)) == (["v"], ["v"])
    # The fetches, then the new value.
    assert [float(x) for x in evaluate(pure.graph, [2.0])] == [2.0, 5.0, 5.0, 50.0, 50.0]


def test_what_is_written_first_is_not_read():
    with Graph() as graph:
        v = variable(2.0, name="v")
        w = variable(v * 3.0, name="w")
        initialise = initialize_all()
    pure = purify(graph.subgraph([initialise]))
    assert (pure.reads, _names(pure.writes)) == ((), ["v", "w"])
    assert [float(x) for x in evaluate(pure.graph, [])] == [2.0, 6.0]
    assert v.initializer.name == "v/initializer"
    assert w.initializer.name == "w/initializer"


def test_only_what_a_fetch_needs_has_effects():
    with Graph() as graph:
        v = variable(2.0, name="v")
        w = variable(1.0, name="w")
        counted = w.assign_add(1.0)
        y = v * 2.0
        with control_dependencies([counted]):
            z = v * 3.0
            same = identity(y)
    assert purify(graph.subgraph([y])).writes == ()
    assert _names(purify(graph.subgraph([z])).writes) == ["w"]
    assert _names(purify(graph.subgraph([same])).writes) == ["w"]
    # Fed, its producers are not needed, nor what they had to wait for.
    assert purify(graph.subgraph([z], [z])).writes == ()
    with graph:
        both = group([counted, y])
    assert _names(purify(graph.subgraph([both])).writes) == ["w"]


def test_a_condition_is_an_output():
    with Graph() as graph:
        x = placeholder("float64", (2,), name="x")
        ok = check(x > 0.0, "x must be positive", name="positive")
        with control_dependencies([ok]):
            y = identity(x)
    pure = purify(graph.subgraph([y], [x]))
    assert _names(pure.checks) == ["positive"]
    assert pure.checks[0].attributes["message"] == "x must be positive"
    assert [bool(evaluate(pure.graph, [np.array(a)])[1]) for a in ([1.0, 2.0], [1.0, -1.0])] == [
        True,
        False,
    ]
    assert purify(graph.subgraph([x * 2.0], [x])).checks == ()


def test_a_graph_with_state_is_no_function():
    with Graph() as graph:
        v = variable(2.0, name="v")
        graph.outputs = [v * 2.0]
    with pytest.raises(ValueError, match="v: a variable has an effect; use a Session, or purify"):
        evaluate(graph, [])


def test_a_value_must_fit_its_variable():
    with Graph():
        v = variable(np.zeros(3), name="v")
        with pytest.raises(InputError, match=r"'v' holds float64\[3\], got float64\[2\]"):
            v.assign(np.zeros(2))
        with pytest.raises(TypeError, match="a variable of float64 cannot take complex128"):
            v.assign(np.zeros(3, complex))
        n = variable(0, name="n")
        with pytest.raises(TypeError, match="a variable of int64 cannot take float64"):
            n.assign(0.5)
        assert not n.trainable
        assert v.trainable


class Line(Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = Parameter(2.0, unit="V")
        self.register_buffer("calls", jnp.asarray(0))

    def forward(self, x):
        return self.slope * x + self.calls


def test_parameters_become_variables():
    model = Line()
    graph = capture(lambda model, x: model(x), model, jnp.ones(3))
    held = with_variables(graph, {"slope": 2.0, "calls": 0})
    assert _names(t.operation for t in held.inputs) == ["x"]
    handles = graph_variables(held)
    assert [(v.name, v.trainable) for v in handles.values()] == [("slope", True), ("calls", False)]
    frozen = with_variables(graph, {"slope": 2.0, "calls": 0}, trainable=())
    assert not any(v.trainable for v in graph_variables(frozen).values())
    pure = purify(held.subgraph(held.outputs))
    assert _names(pure.reads) == ["slope", "calls"]
    got = evaluate(pure.graph, [np.arange(3.0), 5.0, 1])
    np.testing.assert_array_equal(got[0], [1.0, 6.0, 11.0])
    with held:
        initialise = initialize_all()
    first = evaluate(purify(held.subgraph([initialise])).graph, [])
    assert [float(x) for x in first] == [2.0, 0.0]
    with pytest.raises(InputError, match="unknown input 'slop'.*'slope'"):
        with_variables(graph, {"slop": 1.0})


def test_an_initial_value_that_does_not_fit_is_refused():
    graph = capture(lambda x: x + 1.0, jnp.ones(3))
    with pytest.raises(InputError, match=r"'x' holds float64\[3\], got float64\[2\]"):
        with_variables(graph, {"x": np.ones(2)})


def test_a_constant_is_waited_for_through_an_identity():
    with Graph() as graph:
        v = variable(1.0, name="v")
        with control_dependencies([v.assign_add(1.0)]):
            c = identity(constant(3.0))
    assert _names(purify(graph.subgraph([c])).writes) == ["v"]
