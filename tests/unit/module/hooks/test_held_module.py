"""What backward hooks keep of a call: no arrays, and a stand-in for a Module that is gone."""

import gc
import weakref

import jax
import jax.numpy as jnp
import pytest

from gradion.module import Module, Parameter
from gradion.module.scope import TransformError

X = jnp.array([1.0, 2.0])


class Scale(Module):
    def __init__(self, w=3.0):
        super().__init__()
        self.w = Parameter(w)

    def forward(self, x):
        return self.w * x * 2.0


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


def total(module, *args):
    return module(*args).sum()


def test_no_tracer_is_left_behind():
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: None)

    def loop(m, x):
        return jax.lax.scan(lambda c, _: (m(c), None), x, None, length=2)[0].sum()

    with jax.checking_leaks():
        jax.jit(jax.grad(lambda m: total(m, X)))(module)
        jax.jit(lambda m, x: jax.grad(lambda x: loop(m, x))(x))(module, X)
        jax.grad(jax.jit(total), 1)(module, X)


def test_no_array_of_a_step_is_kept():
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: None)

    def step():
        w = jnp.array(4.0)
        jax.grad(lambda w: total(module.with_parameters({"w": w}), X))(w)
        return weakref.ref(w)

    gone = step()
    gc.collect()
    assert gone() is None


def test_stand_in_for_a_copy_that_is_gone():
    seen = []

    class Named(Scale):
        def __init__(self, name):
            super().__init__()
            self.name = name
            self.inner = Scale()

        def forward(self, x):
            return self.inner(x)

    module = Named("first")
    module.register_full_backward_hook(lambda m, i, o: seen.append(m))
    jax.grad(lambda m: total(m, X))(module)
    (stand_in,) = seen
    assert type(stand_in) is Named
    assert stand_in is not module
    assert (stand_in.name, stand_in.training) == ("first", True)
    assert [name for name, _ in stand_in.named_modules()] == ["", "inner"]
    with pytest.raises(RuntimeError, match="forward pass that is over"):
        _ = stand_in.w.shape
    with pytest.raises(RuntimeError, match="forward pass that is over"):
        jnp.asarray(stand_in.w)
    with pytest.raises(TypeError, match="ArrayOfPastForward"):
        _ = X * stand_in.w
    with pytest.raises(TransformError, match=r"Named\.name"):
        stand_in.name = "second"


def test_method_as_hook_of_a_copy():
    seen = []

    class Watching(Pair):
        def __init__(self):
            super().__init__(Scale(), Scale())
            self.label = "watching"
            self.a.register_full_backward_hook(self.watch)

        def watch(self, module, grad_input, grad_output):
            seen.append((self.label, type(module), plain(grad_output)))

    jax.grad(lambda m: total(m, X))(Watching())
    assert seen == [("watching", Scale, ([6.0, 6.0],))]


def test_module_with_an_attribute_that_is_not_hashable():
    module = Scale()
    module.log = []
    module.register_full_backward_hook(lambda m, i, o: m.log.append(plain(i)))
    jax.grad(lambda x: total(module, x))(X)
    assert module.log == [([6.0, 6.0],)]
