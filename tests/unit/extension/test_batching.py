"""Operators under vmap: in a loop, with an axis of examples, with many directions at one point."""

import ctypes
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension.array import Array
from gradion.extension.batching import LeadingAxis, Sequential
from gradion.extension.library import load
from gradion.extension.operator import Operator

SOURCES = Path(__file__).resolve().parents[2] / "native" / "sources"
W = jnp.sin(jnp.arange(12.0)).reshape(3, 4)
X = jnp.cos(jnp.arange(4.0))
C = jnp.arange(1.0, 4.0)
# A few operations in double precision on numbers of order one.
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def gates(shared_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADION_CACHE", str(shared_cache))
        return load("op_gate", SOURCES / "op_gate.cc", flags=["-O1"])


@pytest.fixture(scope="module")
def small(shared_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADION_CACHE", str(shared_cache))
        return load("op_small", SOURCES / "op_small.cc", flags=["-O1"])


def gate_reference(w, x, c):
    return jnp.tanh(w @ x) * c


@pytest.fixture(scope="module")
def gate(gates):
    return Operator(
        "gate",
        inputs=(
            Array("w", jnp.float64, ("n", "m")),
            Array("x", jnp.float64, ("m",)),
            Array("c", jnp.float64, ("n",)),
        ),
        outputs=(Array("h", jnp.float64, ("n",)),),
        residuals=(Array("gate", jnp.float64, ("n",)),),
        forward=gates.target("GateHandler"),
        jvp=gates.target("GateJvpHandler"),
        vjp=gates.target("GateVjpHandler"),
        batching=LeadingAxis(),
        reference=gate_reference,
    )


@pytest.fixture(scope="module")
def scatter(small):
    return Operator(
        "scatter_add",
        inputs=(
            Array("values", jnp.float64, ("n", 3)),
            Array("index", jnp.int32, ("n",)),
            Array("into", jnp.float64, ("m", 3)),
        ),
        outputs=(Array("out", jnp.float64, ("m", 3)),),
        forward=small.target("ScatterAddHandler"),
        jvp=small.target("ScatterAddJvpHandler"),
        vjp=small.target("ScatterAddVjpHandler"),
        batching=Sequential(),
    )


def scatter_reference(values, index, into):
    return into.at[index].add(values)


def scatter_inputs(lead=()):
    n = int(np.prod(lead, dtype=int))
    values = jnp.sin(jnp.arange(n * 15.0)).reshape(*lead, 5, 3)
    index = (jnp.arange(n * 5, dtype=jnp.int32) * 7 % 4).reshape(*lead, 5)
    return values, index, jnp.cos(jnp.arange(n * 12.0)).reshape(*lead, 4, 3)


def assert_same(found, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE),
        found,
        expected,
    )


@pytest.mark.parametrize("mapped", [0, 1, 2, (0, 1, 2)])
def test_sequential_maps_over_any_input(scatter, mapped):
    batch, one = scatter_inputs((6,)), scatter_inputs()
    axes = [0 if np.isin(i, mapped) else None for i in range(3)]
    given = [b if axis == 0 else a for a, b, axis in zip(one, batch, axes, strict=True)]
    found = jax.jit(jax.vmap(scatter, axes))(*given)
    assert_same(found, jax.vmap(scatter_reference, axes)(*given))


@pytest.mark.parametrize("mapped", [0, 1, 2, (0, 1, 2)])
def test_a_leading_axis_maps_over_any_input(gate, mapped):
    one = (W, X, C)
    axes = [0 if np.isin(i, mapped) else None for i in range(3)]
    given = [
        jnp.stack([a, 2 * a, -a]) if axis == 0 else a for a, axis in zip(one, axes, strict=True)
    ]
    assert_same(jax.vmap(gate, axes)(*given), jax.vmap(gate_reference, axes)(*given))


def test_a_leading_axis_is_one_call(gate):
    text = jax.jit(jax.vmap(gate)).lower(*[jnp.stack([a] * 5) for a in (W, X, C)]).as_text()
    assert text.count("custom_call") == 1
    assert "while" not in text


def nested(function, axes):
    """Map over the first input outside, over the second one, by another axis, inside."""
    return jax.vmap(jax.vmap(function, (None, axes, None)), (0, None, None))


def test_nested_maps_of_a_leading_axis_are_one_call(gate):
    given = (jnp.stack([W, -W]), jnp.stack([X, 2 * X, X + 1], axis=1), C)
    text = jax.jit(nested(gate, 1)).lower(*given).as_text()
    assert text.count("custom_call") == 1
    assert_same(nested(gate, 1)(*given), nested(gate_reference, 1)(*given))


def test_nested_maps_in_a_loop(scatter):
    values, index, into = scatter_inputs((2,))
    given = (values, jnp.stack([index[0], index[1], index[0][::-1]], axis=1), into[0])
    assert_same(nested(scatter, 1)(*given), nested(scatter_reference, 1)(*given))


@pytest.mark.parametrize("order", ["vmap of grad", "grad of vmap"])
def test_gradients_and_maps_commute(gate, order):
    given = (jnp.stack([W, -W]), jnp.stack([X, 2 * X]), C)
    axes = (0, 0, None)

    def gradient(function):
        if order == "vmap of grad":
            one = jax.grad(lambda *a: jnp.sin(function(*a)).sum(), (0, 1, 2))
            return jax.jit(jax.vmap(one, axes))(*given)
        return jax.grad(lambda *a: jnp.sin(jax.vmap(function, axes)(*a)).sum(), (0, 1, 2))(*given)

    assert_same(gradient(gate), gradient(gate_reference))


@pytest.mark.parametrize("order", ["vmap of grad", "grad of vmap"])
def test_gradients_and_loops_commute(scatter, order):
    values, index, into = scatter_inputs((3,))
    axes = (0, 0, None)

    def gradient(function):
        def loss(values, into, index):
            return jnp.sin(function(values, index, into)).sum()

        if order == "vmap of grad":
            return jax.vmap(jax.grad(loss, (0, 1)), (0, None, 0))(values, into[0], index)
        mapped = jax.vmap(function, axes)
        return jax.grad(lambda v, i: jnp.sin(mapped(v, index, i)).sum(), (0, 1))(values, into[0])

    assert_same(gradient(scatter), gradient(scatter_reference))


@pytest.mark.parametrize("missing", ["jvp", "vjp"])
@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_a_rule_of_the_reference_is_mapped_together_with_a_target(small, missing, jacobian):
    rules = {"jvp": small.target("SquareJvp64"), "vjp": small.target("SquareVjp64")}
    del rules[missing]

    def reference(x, *, a):
        return a * x * x, a * (x**3).sum()

    operator = Operator(
        "square",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)), Array("s", jnp.float64)),
        attributes={"a": float},
        forward=small.target("Square64"),
        reference=reference,
        **rules,
    )
    batch = jnp.stack([X, 2 * X])
    found = jax.vmap(jacobian(jax.jacrev(lambda x: operator(x, a=2.0)[1])))(batch)
    expected = jax.vmap(jacobian(jax.jacrev(lambda x: reference(x, a=2.0)[1])))(batch)
    assert_same(found, expected)


@pytest.mark.parametrize("size", [0, 1])
def test_a_batch_may_be_empty_or_one(gate, scatter, size):
    batch = [jnp.stack([a] * 2)[:size] for a in (W, X, C)]
    assert_same(jax.vmap(gate)(*batch), jax.vmap(gate_reference)(*batch))
    batch = [jnp.stack([a] * 2)[:size] for a in scatter_inputs()]
    assert_same(jax.vmap(scatter)(*batch), jax.vmap(scatter_reference)(*batch))


# Many directions at one point


@pytest.fixture(scope="module")
def power(gates):
    return Operator(
        "power",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)),),
        forward=gates.target("PowerHandler"),
        jvp=gates.target("PowerLinearHandler"),
        vjp=gates.target("PowerLinearHandler"),
        reference=lambda x: x * x,
        many_directions=True,
    )


@pytest.fixture
def count(gates):
    """How often the linear target ran since the last time, and how often after that."""
    library = ctypes.CDLL(str(gates.paths["cpu"]))
    library.take_calls()
    return library.take_calls


@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_all_directions_at_one_point_are_one_call(power, count, jacobian):
    assert_same(jacobian(power)(X), jnp.diag(2 * X))
    assert count() == 1


def test_directions_of_directions_are_one_call(power, count):
    t = jnp.arange(24.0).reshape(2, 3, 4)
    push = jax.vmap(jax.vmap(lambda t: jax.jvp(power, (X,), (t,))[1]))
    assert_same(push(t), 2 * X * t)
    assert count() == 1


def test_one_direction_has_the_axis_too(power):
    assert_same(jax.grad(lambda x: power(x).sum())(X), 2 * X)


def test_directions_at_many_points(power):
    batch = jnp.stack([X, 2 * X, 3 * X])
    assert_same(jax.vmap(jax.jacfwd(power))(batch), 2 * jax.vmap(jnp.diag)(batch))
    assert_same(jax.jacrev(jax.vmap(power))(batch), jax.jacrev(lambda x: x * x)(batch))


def test_a_hessian_through_directions(power):
    found = jax.hessian(lambda x: jnp.sum(power(x) ** 2))(X)
    assert_same(found, jax.hessian(lambda x: jnp.sum(x**4))(X))
