"""Variables live in the session; a run changes all of what it changes or nothing."""

import random
import signal
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gradion.foundation.errors import InputError
from gradion.graph import Graph, capture
from gradion.graph.build import (
    apply,
    check,
    constant,
    control_dependencies,
    group,
    initialize_all,
    placeholder,
    variable,
)
from gradion.graph.definition.graph_def import GraphDef
from gradion.graph.session import CheckFailedError, Session, UninitializedVariableError
from gradion.graph.session.held_interrupt import held_interrupt
from gradion.graph.session.local_runtime import LocalRuntime
from gradion.graph.session.session_config import SessionConfig
from gradion.graph.training import minimize

# Large enough that a buffer could be shared with NumPy, which JAX does not do for small ones.
SIZE = 4096


class Counters:
    """Two variables that are counted up together, and copied."""

    def __init__(self):
        self.start = np.zeros(SIZE)
        with Graph() as self.graph:
            self.step = placeholder("float64", (SIZE,), name="step")
            self.a = variable(self.start, name="a")
            self.b = variable(self.start, name="b")
            self.both = group([self.a.assign_add(self.step), self.b.assign_add(self.step)])
            self.reads = [self.a.as_tensor(), self.b.as_tensor()]
            self.difference = self.reads[0] - self.reads[1]
            self.double = self.reads[0] * 2.0
            self.new_a = self.a.assign_add(1.0)
            with control_dependencies([check(self.step[0] > 0, "a step forward")]):
                self.checked = self.a.assign_add(self.step)
            self.set_both = [self.a.assign(self.step * 2.0), self.b.assign(self.step * 2.0)]
            self.set_a = self.a.assign(self.step)
            self.copy = self.b.assign(self.a)
            self.first = initialize_all()
        self.one = np.ones(SIZE)
        self.session = Session(graph=self.graph)

    def buffer(self, name):
        """The array that holds a variable: whether it is donated cannot be seen from outside."""
        return self.session._runtime._store.current()[name]


@pytest.fixture(scope="module")
def shared():
    return Counters()


@pytest.fixture
def counters(shared):
    shared.session.run(shared.first)
    return shared


def test_each_session_has_its_own(counters):
    other = Session(graph=counters.graph)
    with pytest.raises(UninitializedVariableError, match="'a' has no value"):
        other.run(counters.a)
    assert other.variables == {}
    other.restore({"a": counters.one})
    assert counters.session.run(counters.a)[0] == 0.0
    assert other.run(counters.a)[0] == 1.0


def test_reads_and_values(counters):
    """A read has its place in the graph; the variable itself is what the run leaves."""
    session, fed = counters.session, {counters.step: counters.one}
    assert session.run([counters.a.operation, counters.a])[0] is None
    assert session.run(counters.a)[0] == 0.0
    assert session.run([counters.both, counters.a, *counters.reads], fed)[1][0] == 1.0
    assert session.run(counters.new_a)[0] == 2.0
    np.testing.assert_array_equal(session.variables["a"], 2 * counters.one)
    np.testing.assert_array_equal(session.variables["b"], counters.one)


def test_buffers_are_taken_over_and_nothing_of_the_user(counters):
    session, fed = counters.session, {counters.step: counters.one}
    held = session.run(counters.a), session.variables["a"]
    on_device = jnp.ones(SIZE)
    mine = np.full(SIZE, 5.0)
    for _ in range(2):
        old = counters.buffer("a")
        session.run(counters.both, fed)
        assert old.is_deleted()
    session.restore({"a": mine})
    session.run(counters.both, fed)
    session.restore({"a": on_device})
    session.run(counters.both, {counters.step: on_device})
    session.run(counters.set_a, fed)
    old = counters.buffer("a")
    session.run(counters.new_a)
    assert old.is_deleted()
    for array, value in (*((h, 0.0) for h in held), (on_device, 1.0)):
        assert (np.asarray(array) == value).all()
    for array, value in ((mine, 5.0), (counters.one, 1.0), (counters.start, 0.0)):
        assert (array == value).all()
    session.run(counters.first)
    assert session.run(counters.a)[0] == 0.0


def test_variables_of_equal_values_have_their_own_buffers(counters):
    session, fed = counters.session, {counters.step: counters.one}
    for change in (counters.set_both, counters.copy):
        session.run(change, fed)
        assert (
            counters.buffer("a").unsafe_buffer_pointer()
            != counters.buffer("b").unsafe_buffer_pointer()
        )
        session.run(counters.new_a)
        session.run(counters.both, fed)
        a, b = session.run([counters.a, counters.b])
        assert a[0] == b[0] + 1.0


def test_a_feed_may_be_changed_when_the_run_is_over(counters):
    session, fed = counters.session, counters.one.copy()
    for _ in range(20):
        fed[:] = 1.0
        session.run(counters.both, {counters.step: fed})
        fed[:] = -100.0
    assert (session.run(counters.a) == 20.0).all()


def test_a_failing_run_changes_nothing(counters):
    session = counters.session
    before = session.variables
    backwards = -counters.one
    with pytest.raises(CheckFailedError, match="a step forward"):
        session.run([counters.checked, counters.new_a, counters.both], {counters.step: backwards})
    for name, value in session.variables.items():
        np.testing.assert_array_equal(value, before[name])
    session.run(counters.checked, {counters.step: counters.one})
    assert session.run(counters.a)[0] == before["a"][0] + 1.0


def test_restored_values_must_fit(counters):
    session = counters.session
    session.restore({"a": np.ones(SIZE, "float32")})
    assert session.variables["a"].dtype == np.float64
    for wrong in (np.ones(3), np.ones(SIZE, complex)):
        with pytest.raises(InputError, match=r"the variable 'b' holds float64\[4096\], got"):
            session.restore({"a": 2 * counters.one, "b": wrong})
    with pytest.raises(InputError, match="unknown variable 'c'"):
        session.restore({"a": 2 * counters.one, "c": counters.one})
    assert session.variables["a"][0] == 1.0  # all or none


def test_the_values_of_a_definition_go_in():
    """A graph that was captured with its parameters runs in a session as it is called."""

    def layer(weights, x):
        return jnp.tanh(x @ weights["w"] + weights["b"])

    weights = {"w": np.full((3, 2), 0.5), "b": np.array([0.0, 1.0])}
    x = np.linspace(0.0, 1.0, 12).reshape(4, 3)
    definition = GraphDef.of(capture(layer, weights, x), held={0: weights})
    session = Session(graph=definition.graph)
    session.restore(definition.variables)
    found = session.run(definition.graph.outputs[0], {definition.graph.inputs[0]: x})
    np.testing.assert_allclose(found, layer(weights, x), rtol=1e-14)  # rounding of a fused tanh


def test_initial_values_that_are_computed():
    with Graph() as graph:
        first = variable(np.arange(3.0), name="first")
        variable(first * 2.0 + 1.0, name="second")
        variable(lambda: jnp.linspace(0.0, 1.0, 3), name="third")
        start = initialize_all()
    session = Session(graph=graph)
    session.run(start)
    np.testing.assert_array_equal(session.variables["second"], [1.0, 3.0, 5.0])
    np.testing.assert_array_equal(session.variables["third"], [0.0, 0.5, 1.0])


def test_an_interrupt_leaves_all_or_nothing(counters):
    """Interrupts at random moments: both variables are there, and have been counted together."""
    session, fed = counters.session, {counters.step: counters.one}
    session.run(counters.both, fed)

    def interrupt(*_):
        raise KeyboardInterrupt

    moments = random.Random(0)
    before = signal.signal(signal.SIGALRM, interrupt)
    came = 0
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(5e-6, 2e-4))
                for _ in range(200):
                    session.run(counters.both, fed)
            except KeyboardInterrupt:
                came += 1
            a, b = session.run([counters.a, counters.b])
            assert a[0] == b[0] == a[-1] == b[-1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert came > 250


@pytest.fixture
def interruptible():
    """Python's own handler: a process in the background may be started with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_can_wait(interruptible):
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - what runs inside is the point
        with held_interrupt():
            signal.raise_signal(signal.SIGINT)
            done.append("inside")
        done.append("behind")
    assert done == ["inside"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads(counters):
    """Writers count both variables up, readers never see one without the other."""
    session, fed = counters.session, {counters.step: counters.one}
    errors = []

    def write():
        for _ in range(100):
            session.run(counters.both, fed)

    def read():
        for _ in range(100):
            a, b = session.run(counters.reads)
            if not (a[0] == a[-1] == b[0] == b[-1]):
                errors.append((a[0], b[0]))

    def compute():
        for _ in range(100):
            if session.run(counters.difference).any():
                errors.append("difference")

    with ThreadPoolExecutor(4) as threads:
        for job in [threads.submit(work) for work in (write, write, read, compute)]:
            job.result()
    assert errors == []
    assert session.run(counters.a)[0] == 200.0


def test_a_run_waits_for_those_who_read_what_it_takes_over(counters):
    runtime = LocalRuntime(SessionConfig())
    runtime.restore({"a": counters.one, "b": counters.one})
    step = runtime.prepare(counters.graph.subgraph([counters.new_a]))
    step.run([])
    with ThreadPoolExecutor(1) as threads:

        def look(values):
            job = threads.submit(step.run, [])
            with pytest.raises(TimeoutError):
                job.result(timeout=0.05)
            return job, np.array(values["a"])

        job, seen = runtime._store.read(look)
        (new,) = job.result(timeout=10.0)
    assert seen[0] == 2.0
    assert new[0] == 3.0


def test_who_reads_waits_for_a_run_that_has_begun(counters):
    runtime = LocalRuntime(SessionConfig())
    runtime.restore({"a": counters.one, "b": counters.one})
    step = runtime.prepare(counters.graph.subgraph([counters.new_a]))
    reader = runtime.prepare(counters.graph.subgraph([counters.reads[0]]))
    call, jobs = step._call, []
    with ThreadPoolExecutor(1) as threads:

        def slowly(*arrays):
            jobs.append(threads.submit(reader.run, []))
            with pytest.raises(TimeoutError):
                jobs[0].result(timeout=0.05)
            return call(*arrays)

        step._call = slowly
        step.run([])
        (value,) = jobs[0].result(timeout=10.0)
    assert value[0] == 2.0


def test_values_that_a_failing_program_took_are_gone(counters):
    runtime = LocalRuntime(SessionConfig())
    runtime.restore({"a": counters.one, "b": counters.one})
    step = runtime.prepare(counters.graph.subgraph([counters.new_a]))

    def fail(*arrays):
        arrays[0].delete()
        raise RuntimeError("the device is lost")

    step._call = fail
    with pytest.raises(RuntimeError, match="the device is lost"):
        step.run([])
    assert set(runtime.values()) == {"b"}


def test_training():
    """Twenty steps of Adam are those of optax under jit, to rounding of float64."""
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(8, 3)), rng.normal(size=8), rng.normal(size=3)
    optimiser = optax.adam(0.1)
    with Graph() as graph:
        points, values = placeholder("float64", (8, 3)), placeholder("float64", (8,))
        weights = variable(w, name="weights")
        loss = apply(lambda w, x, y: jnp.mean((x @ w - y) ** 2), weights, points, values)
        train = minimize(loss, optimiser)
        start = initialize_all()
    session = Session(graph=graph)
    session.run(start)
    step = session.make_callable([loss, train], [points, values])
    found = [step(x, y)[0] for _ in range(20)]
    assert found == pytest.approx(descent(optimiser, x, y, w), rel=1e-12)


def descent(optimiser, x, y, w):
    @jax.jit
    def one(w, state):
        loss, slope = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))(w)
        change, state = optimiser.update(slope, state, w)
        return loss, optax.apply_updates(w, change), state

    w, losses = jnp.array(w), []
    state = optimiser.init(w)
    for _ in range(20):
        loss, w, state = one(w, state)
        losses.append(float(loss))
    return losses


def test_a_constant_graph_of_variables_needs_no_program():
    """Initial values that are known, copies and reads: XLA is not called."""
    with Graph() as graph:
        a = variable(np.ones(3), name="a")
        b = variable(constant(2.0), name="b")
        start = initialize_all()
        move = a.assign(np.zeros(3))
    session = Session(graph=graph)
    made = []
    runtime = session._runtime
    prepare = runtime.prepare
    runtime.prepare = lambda part: made.append(prepare(part)) or made[-1]
    session.run(start)
    assert session.run([a, b])[1] == 2.0
    session.run(move)
    assert session.run(a).sum() == 0.0
    assert [step._executable for step in made] == [None] * 4
