"""Backward hooks under transformations of JAX and of gradion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion.module import Module, Parameter

X = jnp.array([1.0, 2.0])
BATCH = jnp.stack([X, 2 * X, 3 * X])


class Scale(Module):
    def __init__(self, w=3.0):
        super().__init__()
        self.w = Parameter(w)

    def forward(self, x):
        return self.w * x * 2.0


class Sine(Scale):
    def forward(self, x):
        return jnp.sin(self.w * x)


class Pair(Module):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return self.b(self.a(x))


def plain(gradients):
    """Gradients as lists, or where they are traced as shapes."""
    return tuple(
        g if g is None else g.shape if isinstance(g, jax.core.Tracer) else g.tolist()
        for g in gradients
    )


def watched(module):
    """A Module with hooks of both kinds that note what they see, and the notes."""
    events = []
    module.register_full_backward_pre_hook(lambda m, o: events.append(("pre", plain(o))))
    module.register_full_backward_hook(lambda m, i, o: events.append(("full", plain(i), plain(o))))
    return module, events


def total(module, *args):
    return module(*args).sum()


@pytest.mark.parametrize(
    "gradient",
    [
        lambda f: jax.jit(jax.grad(f)),
        lambda f: jax.grad(jax.jit(f)),
        lambda f: jax.grad(jax.checkpoint(f)),
        lambda f: jax.jit(jax.grad(jax.checkpoint(f))),
    ],
    ids=["jit-grad", "grad-jit", "checkpoint", "jit-checkpoint"],
)
def test_traced_once(gradient):
    module, events = watched(Sine())
    module.register_full_backward_hook(lambda m, i, o: (2 * i[0],))
    derivative = gradient(lambda x: total(module, x))
    for x in (X, 2 * X):
        np.testing.assert_allclose(derivative(x), 6 * jnp.cos(3 * x))
    assert events == [("pre", ((2,),)), ("full", ((2,),), ((2,),))]


@pytest.mark.parametrize(
    "gradient",
    [
        lambda f: gradion.jit(gradion.grad(f)),
        lambda f: gradion.grad(gradion.jit(f)),
        lambda f: gradion.grad(gradion.checkpoint(f)),
    ],
    ids=["jit-grad", "grad-jit", "checkpoint"],
)
def test_transformations_of_gradion(gradient):
    module, events = watched(Scale())
    module.register_full_backward_pre_hook(lambda m, o: (2 * o[0],))
    assert gradient(total)(module, X) == {"w": 12.0}
    assert events == [("pre", ((2,),)), ("full", (None,), ((2,),))]


def test_within_scan():
    module, events = watched(Scale(0.5))
    module.register_full_backward_hook(lambda m, i, o: (2 * i[0],))

    def loss(x):
        return jax.lax.scan(lambda c, _: (module(c), None), x, None, length=3)[0].sum()

    assert jax.grad(loss)(X).tolist() == [8.0, 8.0]
    assert events == [("pre", ((2,),)), ("full", ((2,),), ((2,),))]


def test_within_cond():
    module, events = watched(Scale())

    def loss(x):
        return jax.lax.cond(x[0] > 0, lambda x: module(x).sum(), lambda x: x.sum(), x)

    assert jax.grad(loss)(X).tolist() == [6.0, 6.0]
    assert jax.grad(loss)(-X).tolist() == [1.0, 1.0]
    assert ("full", ((2,),), ((2,),)) in events


def norm_clipping(module):
    """A hook that needs to see one example alone."""
    module.register_full_backward_hook(lambda m, i, o: (i[0] / jnp.linalg.norm(i[0]),))
    return module


def test_hook_sees_one_example_under_vmap_of_grad():
    module, events = watched(norm_clipping(Sine()))
    found = jax.vmap(jax.grad(lambda x: total(module, x)))(BATCH)
    plain_one = 3 * jnp.cos(3 * BATCH)
    np.testing.assert_allclose(found, plain_one / jnp.linalg.norm(plain_one, axis=1)[:, None])
    assert events[1][1] == ((2,),)


def test_hook_sees_one_example_under_grad_of_vmap():
    module, events = watched(norm_clipping(Sine()))
    found = jax.grad(lambda x: jax.vmap(module)(x).sum())(BATCH)
    plain_one = 3 * jnp.cos(3 * BATCH)
    np.testing.assert_allclose(found, plain_one / jnp.linalg.norm(plain_one, axis=1)[:, None])
    assert events == [("pre", ((2,),)), ("full", ((2,),), ((2,),))]


def test_hook_sees_one_example_under_two_vmaps():
    module, events = watched(Sine())
    found = jax.grad(lambda x: jax.vmap(jax.vmap(module))(x).sum())(BATCH[None])
    np.testing.assert_allclose(found, 3 * jnp.cos(3 * BATCH)[None])
    assert events == [("pre", ((2,),)), ("full", ((2,),), ((2,),))]


def test_axis_of_parameters_alone_stays_in_grad_output():
    # The input is one for all members of the ensemble, and so is its gradient.
    module, events = watched(Scale())

    def loss(weights, x):
        member = lambda w: module.with_parameters({"w": w})(x)  # noqa: E731
        return jax.vmap(member)(weights).sum()

    gradient = jax.grad(loss, 1)(jnp.array([1.0, 2.0, 3.0]), X)
    assert gradient.tolist() == [12.0, 12.0]
    assert events == [
        ("pre", ((2,),)),
        ("full", ([12.0, 12.0],), ([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]],)),
    ]


def test_shared_axis_comes_first_in_grad_output():
    module, events = Scale(), []
    module.register_full_backward_hook(lambda m, i, o: events.append((plain(i), plain(o))))

    def loss(weights, xs):
        # The examples' axis is within that of the ensemble, which the input lacks.
        member = lambda w: jax.vmap(lambda x: module.with_parameters({"w": w})(x))(xs)  # noqa: E731
        return jax.vmap(member)(weights).sum()

    gradient = jax.grad(loss, 1)(jnp.arange(4.0), BATCH)
    np.testing.assert_allclose(gradient, 12.0 * np.ones((3, 2)))
    assert events == [(((2,),), ((4, 2),))]


def test_second_derivative():
    # torch 2.13.0 gives the same numbers: the hook acts in both passes.
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: (2 * i[0],))

    def loss(x):
        return (module(x) ** 3).sum()

    gradient = jax.grad(loss)
    assert gradient(X).tolist() == [1296.0, 5184.0]
    second = jax.grad(lambda x: gradient(x).sum())(X)
    assert second.tolist() == [5184.0, 10368.0]


# -- forward mode ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: jax.jvp(f, (X,), (X,)),
        lambda f: jax.jit(lambda x: jax.jvp(f, (x,), (x,)))(X),
        lambda f: jax.jacfwd(f)(X),
        lambda f: jax.hessian(lambda x: f(x).sum())(X),
        lambda f: jax.linearize(f, X)[1](X),
    ],
    ids=["jvp", "jit-jvp", "jacfwd", "hessian", "linearize"],
)
@pytest.mark.parametrize("pre", [True, False])
def test_forward_mode_raises_until_the_hook_is_removed(derivative, pre):
    def clip_gradient(module, *_):
        return None

    pair = Pair(Scale(), Sine())
    if pre:
        handle = pair.b.register_full_backward_pre_hook(clip_gradient)
    else:
        handle = pair.b.register_full_backward_hook(clip_gradient)
    kind = "backward pre hook" if pre else "backward hook"
    with pytest.raises(TypeError, match=rf"derivative .*of Sine.*{kind} \S*clip_gradient"):
        derivative(lambda x: pair(x))
    handle.remove()
    derivative(lambda x: pair(x))


def test_forward_mode_of_gradion_raises():
    module, _ = watched(Scale())
    with pytest.raises(TypeError, match="forward-mode derivative .*of Scale"):
        gradion.jvp(total, (module, X), ({"w": 1.0}, X))


def test_no_gate_without_backward_hook():
    module = Scale()
    module.register_forward_hook(lambda *_: None)
    assert "gradion_reverse_gate" not in str(jax.make_jaxpr(module)(X))
    with module.register_full_backward_hook(lambda *_: None):
        assert "gradion_reverse_gate" in str(jax.make_jaxpr(lambda x: module(x))(X))
    assert "gradion_reverse_gate" not in str(jax.make_jaxpr(lambda x: module(x))(X))
