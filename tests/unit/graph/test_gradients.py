"""Derivatives in the graph are JAX's of the same function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gradion.foundation.errors import InputError
from gradion.graph import Graph, capture, evaluate, purify
from gradion.graph.build import apply, placeholder, variable, while_loop

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.2]])
W = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])


def _value(graph, fetches, feeds):
    pure = purify(graph.subgraph(fetches, list(feeds)))
    return evaluate(pure.graph, [*feeds.values(), *([W] * len(pure.reads))])


def _loss(w, x):
    return jnp.mean(jax.nn.softplus(x @ w) ** 2) + jnp.sum(jnp.sin(w))


@pytest.fixture(scope="module")
def built():
    with Graph() as graph:
        x = placeholder("float64", (None, 3), name="x")
        w = variable(W, name="w")
        hidden = apply(jax.nn.softplus, x @ w, name="hidden")
        loss = apply(lambda h, w: jnp.mean(h**2) + jnp.sum(jnp.sin(w)), hidden, w, name="loss")
    return graph, x, w, hidden, loss


def test_gradients_of_variables_placeholders_and_what_is_between(built):
    graph, x, w, hidden, loss = built
    dw, dx, dh = graph.gradients([loss], [w, x, hidden])
    got = _value(graph, [dw, dx, dh], {x: X})
    want = [*jax.grad(_loss, (0, 1))(W, X), 2.0 * jax.nn.softplus(X @ W) / 4.0]
    for a, b in zip(got, want, strict=True):
        # The same operations in the same order, up to what JAX folds.
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert dw.operation.scope.startswith("gradients")


def test_they_use_what_the_graph_has_already(built):
    graph, _x, w, *_, loss = built
    n = sum(o.kind == "dot_general" for o in graph)
    (dw,) = graph.gradients([loss], [w])
    first = len(graph)
    (again,) = graph.gradients([loss], [w])
    assert again is dw
    assert len(graph) == first
    assert sum(o.kind == "dot_general" for o in graph) <= n + 2


def test_higher_orders(built):
    graph, x, w, _, loss = built
    (dx,) = graph.gradients([loss], [x])
    (dwx,) = graph.gradients([apply(jnp.sum, dx)], [w])
    (hessian,) = graph.hessian(loss, [w])
    (third,) = graph.gradients([apply(jnp.sum, hessian)], [w])
    got = _value(graph, [dwx, hessian, third], {x: X})
    second = jax.hessian(_loss)
    want = [
        jax.grad(lambda w: jnp.sum(jax.grad(_loss, 1)(w, X)))(W),
        second(W, X),
        jax.grad(lambda w: jnp.sum(second(w, X)))(W),
    ]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_several_ys_their_weights_and_nothing():
    with Graph() as graph:
        a = placeholder("float64", (2,), name="a")
        b = placeholder("float64", (2,), name="b")
        n = placeholder("int64", (), name="n")
        p, q = a * b, a * a
        da, db, dn = graph.gradients([p, q], [a, b, n])
        (weighed,) = graph.gradients([p, q], [a], [b, None])
        (none,) = graph.gradients([q], [b])
        (one,) = graph.gradients([a], [a])
    assert (dn, none) == (None, None)
    A, B = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    got = _value(graph, [da, db, weighed, one], {a: A, b: B})
    for found, want in zip(got, [B + 2 * A, A, B * B + 2 * A, np.ones(2)], strict=True):
        np.testing.assert_array_equal(found, want)


def test_a_rule_of_the_users_counts_up_to_the_third_order():
    @jax.custom_jvp
    def cube(x):
        return x**3

    # Wrong on purpose: the derivative of a cube is said to be five times it.
    cube.defjvp(lambda x, t: (cube(*x), 5.0 * cube(*x) * t[0]))
    with Graph() as graph:
        x = placeholder("float64", (), name="x")
        d = [apply(cube, x)]
        for _ in range(3):
            d += graph.gradients([d[-1]], [x])
    got = [float(v) for v in _value(graph, d, {x: 2.0})]
    assert got == [8.0, 40.0, 200.0, 1000.0]
    # JAX's own derivatives of the graph come to the end of what was captured, and say so.
    of_graph = capture(cube, 2.0)
    derived = lambda x: evaluate(of_graph, [x])[0]  # noqa: E731
    for want in (8.0, 40.0, 200.0, 1000.0):
        assert float(derived(2.0)) == want
        derived = jax.grad(derived)
    with pytest.raises(TypeError, match="a derivative of higher order than was captured"):
        derived(2.0)


def test_two_reads_with_an_assignment_between_them():
    with Graph() as graph:
        v = variable(3.0, name="v")
        first = v * v
        changed = v.assign(v * 2.0)
        second = v * v
        (d,) = graph.gradients([first, second], [v])
    pure = purify(graph.subgraph([d, changed]))
    # 2 * 3 + 2 * 6: each read at the value that it has.
    assert float(evaluate(pure.graph, [3.0])[0]) == 18.0


def test_stop_gradient_stops():
    with Graph() as graph:
        x = placeholder("float64", (), name="x")
        (d,) = graph.gradients([apply(lambda x: lax.stop_gradient(x) * x, x)], [x])
    assert float(_value(graph, [d], {x: 3.0})[0]) == 3.0


def test_loops_and_branches():
    with Graph() as graph:
        x = placeholder("float64", (2,), name="x")
        y = apply(lambda x: lax.scan(lambda c, _: (c * x, None), x, None, length=3)[0].sum(), x)
        # One branch keeps what the other does not.
        z = apply(lambda x: lax.cond(x[0] > 0, jnp.sin, lambda v: v * v * v, x).sum(), x)
        e = apply(lambda x: lax.erf(x).sum(), x)
        loop = while_loop(lambda c: c[0] < 9.0, lambda c: c * 2.0, x, name="doubling")
        dy, dz, de = (graph.gradients([t], [x])[0] for t in (y, z, e))
        with pytest.raises(InputError, match=r"doubling has no reverse mode.*lax\.scan"):
            graph.gradients([apply(jnp.sum, loop)], [x])
    at = np.array([2.0, 3.0])
    got = _value(graph, [dy, dz, de], {x: at})
    np.testing.assert_allclose(got[0], [32.0, 108.0], rtol=1e-15)
    np.testing.assert_allclose(got[1], np.cos(at), rtol=1e-15)
    np.testing.assert_allclose(got[2], 2.0 / np.sqrt(np.pi) * np.exp(-(at**2)), rtol=1e-14)
    np.testing.assert_allclose(_value(graph, [dz], {x: -at})[0], 3.0 * at**2, rtol=1e-15)


def test_what_has_no_gradient_is_told():
    with Graph() as graph:
        n = placeholder("int64", (), name="n")
        x = placeholder("float64", (2,), name="x")
        with pytest.raises(TypeError, match="it is not floating"):
            graph.gradients([n], [n])
        with pytest.raises(ValueError, match="is no number"):
            graph.hessian(x, [x])
        with pytest.raises(
            InputError, match=r"grad_ys\[0\]: got float64\[\], expected float64\[2\]"
        ):
            graph.gradients([x * 2.0], [x], [x[0]])
        with pytest.raises(ValueError, match="grad_ys: got 2, expected 1"):
            graph.gradients([x * 2.0], [x], [None, None])
        with pytest.raises(ValueError, match="ys is empty"):
            graph.gradients([], [x])
