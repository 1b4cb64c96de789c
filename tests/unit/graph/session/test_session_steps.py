"""Which runs are one step, and where steps run."""

import importlib.metadata
import types

import jax
import numpy as np
import pytest

from gradion.foundation.errors import InputError
from gradion.graph import Graph
from gradion.graph.build import placeholder, variable
from gradion.graph.session import Session, SessionConfig, register_target
from gradion.graph.session import targets as targets_module
from gradion.graph.session.local_runtime import LocalRuntime
from gradion.graph.session.runtime import AbstractRuntime


class Counting(AbstractRuntime):
    """This process, with a count of the steps that are made; all of them, of all instances."""

    made = 0

    def __init__(self, target, config):
        self.target = target
        self.inner = LocalRuntime(config)

    def prepare(self, graph):
        Counting.made += 1
        return self.inner.prepare(graph)

    def values(self):
        return self.inner.values()

    def restore(self, values):
        self.inner.restore(values)

    def devices(self):
        return self.inner.devices()

    def close(self):
        self.inner.close()


@pytest.fixture(scope="module", autouse=True)
def registered():
    register_target("counting", Counting)
    yield
    del targets_module._factories["counting"]


@pytest.fixture
def graph():
    with Graph() as graph:
        x = placeholder("float64", ("n",), name="x")
        y = placeholder("float64", ("n",), name="y")
        graph.outputs = [x + y, x * y]
    return graph


@pytest.fixture
def session(graph):
    session = Session("counting://here", graph)
    yield session
    session.close()


def steps(run):
    before = Counting.made
    run()
    return Counting.made - before


def test_one_step_for_the_same_fetches_feeds_and_sizes(session, graph):
    x, y = graph.inputs
    plus, times = graph.outputs
    one, two = np.ones(1), np.ones(2)
    assert steps(lambda: session.run([plus, times], {x: one, y: one})) == 1
    for fetches, feeds in (
        ([plus, times], {x: one, y: one}),
        ([times, plus], {x: one, y: one}),
        ({"a": (plus, plus), "b": times.name}, {"y:0": one, "x:0": one}),
        ([plus, times], {x: [5], y: np.ones(1, "float32")}),
    ):
        assert steps(lambda f=fetches, d=feeds: session.run(f, d)) == 0
    assert steps(lambda: session.make_callable([plus, times], [y, x])(one, one)) == 0
    assert steps(lambda: session.run([plus, times], {x: two, y: two})) == 1
    assert steps(lambda: session.run([plus, times], {x: one, y: one})) == 0
    assert steps(lambda: session.run(plus, {x: one, y: one})) == 1
    assert steps(lambda: session.run(plus, {plus: one})) == 1


def test_the_order_of_feeds_and_of_fetches_is_that_of_the_caller(session, graph):
    x, y = graph.inputs
    with graph:
        minus = x - y
    assert session.run(minus, {y: [1.0], x: [3.0]}) == [2.0]
    assert session.run(minus, {x: [3.0], y: [1.0]}) == [2.0]
    assert session.make_callable([y, minus, x], [y, x])([1.0], [3.0]) == [[1.0], [2.0], [3.0]]


def test_nothing_is_made_for_a_wrong_feed(session, graph):
    x, y = graph.inputs

    def wrong():
        for bad in (np.ones(3), np.ones((2, 2)), "text"):
            with pytest.raises((InputError, TypeError)):
                session.run(graph.outputs[0], {x: np.ones(2), y: bad})

    assert steps(wrong) == 0


def test_the_graph_may_grow(session, graph):
    x, y = graph.inputs
    ones = {x: np.ones(1), y: np.ones(1)}
    session.run(graph.outputs[0], ones)
    with graph:
        later = graph.outputs[0] + 1.0
        held = variable(4.0, name="held")
    assert session.run(later, ones) == [3.0]
    session.run(held.initializer)
    assert session.run(held) == 4.0
    assert steps(lambda: session.run(graph.outputs[0], ones)) == 0


def test_the_oldest_steps_go(graph):
    x, _ = graph.inputs
    session = Session("counting://here", graph, SessionConfig(most_steps=2))
    with graph:
        fetches = [x + float(i) for i in range(3)]

    def run(i):
        return steps(lambda: session.run(fetches[i], {x: np.ones(1)}))

    assert [run(i) for i in (0, 1, 1, 0, 2, 1, 0)] == [1, 1, 0, 0, 1, 0, 1]
    with pytest.raises(ValueError, match="most_steps: got 0"):
        SessionConfig(most_steps=0)


def test_configuration(graph):
    """A step on a device, without passes, is right and lies there."""
    (device,) = jax.devices("cpu")[:1]
    with graph:
        held = variable(np.ones(3), name="held")
        change = held.assign_add(held * 0.0 + 1.0)
    config = SessionConfig(device=device, passes=(), keep_executables=False)
    session = Session(graph=graph, config=config)
    session.run(held.initializer)
    for _ in range(2):
        session.run(change)
    np.testing.assert_array_equal(session.run(held), [3.0, 3.0, 3.0])
    session.restore({"held": np.zeros(3)})
    np.testing.assert_array_equal(session.run(change), [1.0, 1.0, 1.0])
    (value,) = session._runtime._store.current().values()
    assert value.committed
    assert value.devices() == {device}


def test_devices(graph):
    (first, *_) = Session(graph=graph).list_devices()
    device = jax.local_devices()[0]
    assert first.name == f"{device.platform}:{device.id}"
    assert first.kind == device.device_kind
    assert first.memory is None or first.memory > 0


def test_targets(graph, session, monkeypatch):
    assert session._runtime.target == "counting://here"
    with pytest.raises(InputError, match=r"unknown session target 'countin://x'.*'counting://'"):
        Session("countin://x", graph)
    with pytest.raises(ValueError, match="'counting' is taken"):
        register_target("counting", LocalRuntime)
    register_target("counting", Counting)  # the same again is no mistake
    with pytest.raises(ValueError, match="expected a word"):
        register_target("counting://", Counting)
    offered = types.SimpleNamespace(name="elsewhere", load=lambda: Counting)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [offered])
    assert Session("elsewhere://x:1", graph)._runtime.target == "elsewhere://x:1"
