"""Compiled graphs: values, donation, what is refused, what they say of themselves."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gradion.graph import Graph, TensorType, capture, evaluate
from gradion.graph.xla import compile_xla

X = np.linspace(-1.0, 2.0, 12).reshape(4, 3)


def step(w, x):
    """A step of descent, its loss, and a count: arrays of several dtypes and ranks."""
    loss, slope = jax.value_and_grad(lambda w: jnp.mean(jnp.tanh(x @ w) ** 2))(w)
    return w - 0.1 * slope, loss, jnp.sum(x > 0)


def loops(x):
    total, steps = lax.scan(lambda c, row: (c + row.sum(), c * row), 1.0, x)
    return lax.cond(total > 2.0, jnp.sin, jnp.cos, steps), lax.fori_loop(
        0, 5, lambda i, y: y * 1.5 + i, total
    )


@pytest.fixture(scope="module")
def compiled():
    """The step, donating w; the graph too."""
    graph = capture(step, np.ones(3), X)
    return compile_xla(graph, donated=[0]), graph


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (step, (np.ones(3), X)),
        (loops, (X,)),
        (lambda: (jnp.arange(3), 2.5), ()),
        (lambda x: (x, x, x[:0]), (X,)),
        (lambda n, b, s: (n * 2, ~b, s - 0.5), (np.arange(3), np.array(True), np.float32(1.5))),
    ],
    ids=["step", "loops", "constants", "inputs as outputs", "dtypes"],
)
def test_values_are_those_of_jit(function, arrays):
    graph = capture(function, *arrays)
    executable = compile_xla(graph)
    wanted = jax.jit(lambda *a: evaluate(graph, a))(*arrays)
    # The first call is checked in Python, later ones are not; numpy and JAX take turns.
    for given in (arrays, list(map(jnp.asarray, arrays)), arrays):
        found = executable(*given)
        assert isinstance(found, list)
        for got, want in zip(found, wanted, strict=True):
            assert got.dtype == want.dtype
            assert got.shape == want.shape
            assert not got.weak_type
            assert np.asarray(got).tobytes() == np.asarray(want).tobytes()


def test_what_is_donated_is_gone_and_nothing_else(compiled):
    executable, graph = compiled
    want = evaluate(graph, (jnp.ones(3), X))
    for _ in range(3):
        w, x = jnp.ones(3), jnp.asarray(X)
        where = w.unsafe_buffer_pointer()
        w_new, loss, _ = executable.call(w, x)
        assert w.is_deleted()
        assert not x.is_deleted()
        assert w_new.unsafe_buffer_pointer() == where
        # Fused and not fused: a few units in the last place.
        np.testing.assert_allclose(w_new, want[0], rtol=1e-14)
        np.testing.assert_allclose(loss, want[1], rtol=1e-14)
    with pytest.raises((RuntimeError, ValueError), match="deleted"):
        executable(w, x)


def test_an_array_of_numpy_is_never_written_to(compiled):
    executable, _ = compiled
    # Aligned as the runtime likes it, so that it could be taken as it is.
    space = np.ones(3 + 8)
    start = -space.ctypes.data % 64 // 8
    w = space[start : start + 3]
    kept = w.copy()
    first = [np.asarray(x) for x in executable(w, X)]
    second = [np.asarray(x) for x in executable.call(w, X)]
    assert np.array_equal(w, kept)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_results_stay_where_jax_likes_unless_a_device_is_named():
    graph = capture(lambda x: x + 1, 1.0)
    device = jax.devices()[0]
    for given, committed in ((None, False), (device, True)):
        executable = compile_xla(graph, device=given)
        for _ in range(2):
            (found,) = executable(np.float64(2.0))
            assert found.committed is committed
            assert found.devices() == {device}
    on_device = jax.sharding.SingleDeviceSharding(device)
    assert compile_xla(graph, device=on_device)(2.0)[0].sharding == on_device


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ((np.ones(3),), TypeError, "got 1 inputs, expected 2"),
        ((np.ones(3), X, X), TypeError, "got 3 inputs, expected 2"),
        ((np.ones(3, np.float32), X), TypeError, "w:0: got float32, expected float64"),
        ((np.ones(3), X.T), ValueError, r"x:0: got shape \(3, 4\), expected \(4, 3\)"),
    ],
)
def test_arguments_that_do_not_fit(compiled, arrays, error, message):
    executable, _ = compiled
    executable(np.ones(3), X)
    for call in (executable, executable.call):
        with pytest.raises(error, match=message):
            call(*arrays)


def test_it_cannot_be_traced(compiled):
    with pytest.raises(TypeError, match=r"gradion\.graph\.evaluate"):
        jax.jit(compiled[0])(jnp.ones(3), X)


def test_what_cannot_be_compiled():
    graph = capture(lambda x: x + 1, 1.0)
    with pytest.raises(ValueError, match="donated: got 1, and there are 1 inputs"):
        compile_xla(graph, donated=[1])
    held = Graph()
    held.outputs = held.add(
        "read_variable", (), [TensorType("float64", ())], name="read", attributes={"variable": "v"}
    ).outputs
    with pytest.raises(ValueError, match=r"read: a read_variable has an effect.*purify"):
        compile_xla(held)


def test_what_an_executable_says_of_itself(compiled):
    executable, graph = compiled
    assert not executable.from_cache
    assert executable.seconds == executable.compile_seconds > 0.0
    assert executable.inputs == graph.inputs
    assert executable.outputs == graph.outputs
    memory = executable.memory_analysis()
    assert memory.arguments == np.ones(3).nbytes + X.nbytes
    # Behind the arrays of the outputs there is a table of pointers to them.
    assert memory.outputs >= np.ones(3).nbytes + 8 + 8
    assert memory.shared == np.ones(3).nbytes
    assert memory.peak >= memory.arguments
    # A product of 4 x 3 with 3, forwards and back: 2 operations an element each.
    assert executable.cost_analysis()["flops"] >= 2 * 2 * X.size
