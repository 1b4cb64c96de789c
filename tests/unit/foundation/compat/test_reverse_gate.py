"""Reverse gates: values pass, gradients meet the rule, forward mode is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.compat.reverse_gate import DEAD_TOKEN, AbstractGateRule, gate


class Scale(AbstractGateRule):
    """Multiplies gradients and notes what it was told."""

    def __init__(self, name, factor, seen):
        self.name = name
        self.factor = factor
        self.seen = seen

    def pull(self, cotangents, *, live, flows, token_live, axes):
        shapes = tuple(ct.shape for ct in cotangents)
        self.seen.append((self.name, shapes, live, flows, token_live, axes))
        return [self.factor * ct for ct in cotangents]

    def forward_mode_error(self):
        return TypeError(f"no forward mode through {self.name}")


def gated(seen):
    """sin(w x) with a gate before (gradients times 2) and one after it (times 5)."""

    def function(w, x):
        (x,), token = gate([x], DEAD_TOKEN, Scale("in", 2.0, seen))
        (y,), _ = gate([jnp.sin(w * x)], token, Scale("out", 5.0, seen))
        return y.sum()

    return function


W = 3.0
X = jnp.array([1.0, 2.0])
BATCH = jnp.stack([X, 2 * X, 3 * X])
GRAD_X = 10 * W * jnp.cos(W * X)


def test_values_pass():
    assert gated([])(W, X) == jnp.sin(W * X).sum()


def test_compiled_gate_is_nothing():
    text = jax.jit(gated([])).lower(W, X).compile().as_text()
    plain = jax.jit(lambda w, x: jnp.sin(w * x).sum()).lower(W, X).compile().as_text()
    assert text.count(" = ") == plain.count(" = ")


def test_gradient_meets_the_later_gate_first():
    seen = []
    np.testing.assert_allclose(jax.grad(gated(seen), 1)(W, X), GRAD_X)
    assert seen == [
        ("out", ((2,),), (True,), True, True, ()),
        ("in", ((2,),), (True,), True, False, ()),
    ]


def test_token_tells_that_no_input_is_differentiated():
    seen = []
    value = jax.grad(gated(seen))(W, X)
    np.testing.assert_allclose(value, 5 * (X * jnp.cos(W * X)).sum())
    assert seen == [("out", ((2,),), (True,), True, False, ())]


@pytest.mark.parametrize(
    "gradient",
    [
        lambda f: jax.jit(jax.grad(f, 1)),
        lambda f: jax.grad(jax.jit(f), 1),
        lambda f: jax.grad(jax.checkpoint(f), 1),
        lambda f: jax.jit(jax.grad(jax.checkpoint(f), 1)),
        lambda f: jax.jacrev(f, 1),
        lambda f: lambda w, x: jax.vjp(f, w, x)[1](1.0)[1],
    ],
    ids=["jit-grad", "grad-jit", "checkpoint", "jit-checkpoint", "jacrev", "vjp"],
)
def test_reverse_mode_transformed(gradient):
    seen = []
    np.testing.assert_allclose(gradient(gated(seen))(W, X), GRAD_X)
    assert [name for name, *_ in seen] == ["out", "in"]


def test_within_scan():
    def total(function, x):
        body = lambda carry, _: (carry * function(W, carry), None)  # noqa: E731
        return jax.lax.scan(body, x, None, length=3)[0].sum()

    def by_hand(w, x):
        # The rules as custom derivatives: what the gates are to do.
        return scaled(jnp.sin(w * scaled(x, 2.0)), 5.0).sum()

    seen = []
    np.testing.assert_allclose(
        jax.grad(lambda x: total(gated(seen), x))(X), jax.grad(lambda x: total(by_hand, x))(X)
    )
    assert [name for name, *_ in seen] == ["out", "in"]


def scaled(x, factor):
    """x with its gradient multiplied."""
    return factor * x - jax.lax.stop_gradient((factor - 1) * x)


def test_vmap_of_grad():
    seen = []
    batch = jax.vmap(jax.grad(gated(seen), 1), (None, 0))(W, BATCH)
    np.testing.assert_allclose(batch, 10 * W * jnp.cos(W * BATCH))
    assert [axes for *_, axes in seen] == [(), ()]


def test_grad_of_vmap_names_the_mapped_axis():
    seen = []

    def total(x):
        return jax.vmap(gated(seen), (None, 0))(W, x).sum()

    np.testing.assert_allclose(jax.grad(total)(BATCH), 10 * W * jnp.cos(W * BATCH))
    assert seen == [
        ("out", ((3, 2),), (True,), True, True, (True,)),
        ("in", ((3, 2),), (True,), True, False, (False,)),
    ]


def test_axis_that_the_token_lacks():
    seen = []

    def total(w, x):
        return jax.vmap(gated(seen), (0, None))(w, x).sum()

    weights = jnp.array([1.0, 2.0, 3.0])
    expected = 10 * (weights[:, None] * jnp.cos(weights[:, None] * X)).sum(axis=0)
    np.testing.assert_allclose(jax.grad(total, 1)(weights, X), expected)
    assert [(name, axes) for name, *_, axes in seen] == [("out", (False,)), ("in", ())]


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: jax.jvp(f, (W, X), (1.0, X)),
        lambda f: jax.jvp(jax.jit(f), (W, X), (1.0, X)),
        lambda f: jax.jit(lambda x: jax.jvp(lambda x: f(W, x), (x,), (x,)))(X),
        lambda f: jax.jacfwd(f, 1)(W, X),
        lambda f: jax.hessian(f, 1)(W, X),
        lambda f: jax.linearize(f, W, X)[1](1.0, X),
        lambda f: jax.vmap(lambda x: jax.jvp(lambda x: f(W, x), (x,), (x,)))(BATCH),
    ],
    ids=["jvp", "jvp-jit", "jit-jvp", "jacfwd", "hessian", "linearize", "vmap-jvp"],
)
def test_forward_mode_raises_the_error_of_the_rule(derivative):
    with pytest.raises(TypeError, match="no forward mode through in"):
        derivative(gated([]))


def test_second_derivative_in_reverse_mode():
    # Rules that change nothing: the second derivative is that of the plain function.
    def function(x):
        (x,), token = gate([x], DEAD_TOKEN, Scale("in", 1.0, []))
        (y,), _ = gate([jnp.sin(W * x)], token, Scale("out", 1.0, []))
        return y.sum()

    found = jax.grad(lambda x: jax.grad(function)(x).sum())(X)
    np.testing.assert_allclose(found, -W * W * jnp.sin(W * X))


def test_no_gradient_reaches_an_output():
    seen = []

    def function(x):
        (used, unused), _ = gate([x, 2 * x], DEAD_TOKEN, Scale("both", 1.0, seen))
        (_,), _ = gate([unused], DEAD_TOKEN, Scale("unused", 1.0, seen))
        return used.sum()

    np.testing.assert_allclose(jax.grad(function)(X), [1.0, 1.0])
    # Zeros stand for the gradient of an array that has none.
    assert seen[-1] == ("both", ((2,), (2,)), (True, True), True, False, ())
    assert all(not flows for name, _, _, flows, *_ in seen if name == "unused")


def test_constant_among_the_arrays_is_not_live():
    seen = []

    def function(x):
        (x, other), _ = gate([x, jnp.ones(2)], DEAD_TOKEN, Scale("both", 1.0, seen))
        return (x * other).sum()

    jax.grad(function)(X)
    assert seen == [("both", ((2,),), (True, False), True, False, ())]
