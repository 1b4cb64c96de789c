"""What a run tells of itself."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import Graph
from gradion.graph.build import apply, check, name_scope, placeholder, variable
from gradion.graph.session import (
    CheckFailedError,
    RunMetadata,
    RunOptions,
    Session,
    SessionConfig,
    Trace,
)


class Model:
    def __init__(self):
        with Graph() as self.graph:
            self.x = placeholder("float64", (4, 8), name="x")
            self.w = variable(np.ones((8, 2)), name="w")
            with name_scope("layer"):
                self.y = apply(jnp.tanh, self.x @ self.w, name="y")
            self.change = self.w.assign(self.w * 0.5)
            self.safe = check(apply(jnp.sum, self.x) > 0, "positive")
            self.known = apply(jnp.add, 1.0, 2.0, name="known")
        self.session = Session(graph=self.graph, config=SessionConfig(keep_executables=False))
        self.fed = {self.x: np.full((4, 8), 0.1)}


@pytest.fixture(scope="module")
def model():
    return Model()


@pytest.fixture
def reset(model):
    model.session.restore({"w": np.ones((8, 2))})


def test_parts_of_a_run(model, reset):
    told = RunMetadata()
    fetches = [model.y, model.change]
    found = model.session.run(fetches, model.fed, run_metadata=told)
    np.testing.assert_allclose(found[0], np.tanh(0.8), rtol=1e-14)
    assert [event.name for event in told.events] == ["feed", "compile", "execute", "fetch"]
    assert told.compile_seconds > 0
    assert told.run_seconds > 0
    assert told.feed_seconds > 0
    assert told.fetch_seconds > 0
    again = RunMetadata()
    model.session.run(fetches, model.fed, None, again)
    assert [event.name for event in again.events] == ["feed", "execute", "fetch"]
    assert again.compile_seconds == 0.0
    assert again.analysis.compile_seconds == told.analysis.compile_seconds > 0
    assert model.session.variables["w"][0, 0] == 0.25


def test_analysis(model, reset):
    told = RunMetadata()
    model.session.run([model.y, model.change], model.fed, run_metadata=told)
    analysis = told.analysis
    # Arguments: x and w; outputs: y and the new w, in the buffer of the old one.
    n_x, n_w, n_y = 8 * 32, 8 * 16, 8 * 8
    assert analysis.memory.arguments == n_x + n_w
    assert analysis.memory.shared == n_w
    assert analysis.memory_plan.argument_bytes == n_x + n_w
    assert analysis.memory_plan.output_bytes == n_w + n_y
    assert analysis.cost["flops"] >= 2 * 4 * 8 * 2
    assert not analysis.from_cache
    assert analysis.report.n_after > 0


def test_operation_by_operation(model, reset):
    """The same results, once, and an event for each operation with its line."""
    told = RunMetadata()
    options = RunOptions(Trace.OPERATIONS)
    y, _ = model.session.run([model.y, model.change], model.fed, options, told)
    np.testing.assert_allclose(y, np.tanh(0.8), rtol=1e-14)
    assert model.session.variables["w"][0, 0] == 0.5
    events = {event.name: event for event in told.events if event.category == "operation"}
    kinds = sorted(event.details["kind"] for event in events.values())
    assert kinds == ["dot_general", "mul", "tanh"]
    assert events["layer/y"].details["scope"] == "layer/y"
    assert "test_run_metadata.py:" in events["layer/y"].details["line"]
    (whole,) = (event for event in told.events if event.name == "execute")
    assert sum(event.seconds for event in events.values()) <= whole.seconds
    assert all(event.start >= whole.start for event in events.values())
    with pytest.raises(CheckFailedError):
        model.session.run(
            [model.safe, model.change], {model.x: -np.ones((4, 8))}, options, RunMetadata()
        )
    assert model.session.variables["w"][0, 0] == 0.5


def test_a_run_that_computes_nothing(model):
    for options in (None, RunOptions(Trace.OPERATIONS)):
        told = RunMetadata()
        assert model.session.run(model.known, None, options, told) == 3.0
        assert told.analysis.memory is None
        assert told.analysis.cost == {}


def test_the_trace_is_in_the_format_of_perfetto(model, reset, tmp_path):
    """Complete events ("X") and names ("M") of the Trace Event Format, times in microseconds."""
    told = RunMetadata()
    model.session.run(model.y, model.fed, RunOptions(Trace.OPERATIONS), told)
    told.save_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert set(trace) == {"traceEvents", "displayTimeUnit"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["ph"] == "M"}
    timed = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(timed) == len(told.events)
    for event in timed:
        assert isinstance(event["pid"], int)
        assert names[event["tid"]] in ("run", "operation")
        assert isinstance(event["name"], str)
        assert event["ts"] >= 0
        assert event["dur"] > 0
    assert min(event["ts"] for event in timed) == 0.0
    total = max(event["ts"] + event["dur"] for event in timed)
    assert total == pytest.approx(
        1e6 * (max(e.start + e.seconds for e in told.events) - told.events[0].start), rel=1e-9
    )
    assert RunMetadata().chrome_trace()["traceEvents"][0]["ph"] == "M"
