"""gradion.checkpoint: the same values and derivatives, less kept."""

import jax
import jax.numpy as jnp
import numpy as np

import gradion

from ..transform_models import Counter, Pair


def deep(module, x):
    for _ in range(4):
        x = jnp.sin(module(x))
    return jnp.sum(x)


def test_values_writes_and_gradients_are_the_same():
    plain, remat = Pair(), Pair()
    x = jnp.asarray([0.1, 0.2])
    expected = gradion.grad(deep)(plain, x)
    got = gradion.grad(gradion.checkpoint(deep))(remat, x)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-14)
    assert remat.left.calls == plain.left.calls == 4
    assert remat.right.last == plain.right.last


def test_less_is_kept_for_the_derivative():
    def residuals(function):
        def pure(scale):
            return function(Counter(scale), jnp.ones(100))

        _, pullback = jax.vjp(pure, jnp.asarray(2.0))
        return sum(leaf.size for leaf in jax.tree.leaves(pullback))

    assert residuals(gradion.checkpoint(deep)) < residuals(deep) / 2


def test_a_module_as_function():
    module = Counter()
    assert gradion.checkpoint(module)(3.0) == 6.0
    assert gradion.checkpoint(module.forward)(3.0) == 6.0
    assert module.calls == 2


def test_a_policy():
    everything = gradion.checkpoint(deep, policy=jax.checkpoint_policies.everything_saveable)
    module = Counter()
    gradient = gradion.grad(everything)(module, jnp.ones(2))
    assert gradient["scale"] == gradion.grad(deep)(module, jnp.ones(2))["scale"]


def test_under_jit():
    module = Counter()
    step = gradion.jit(gradion.value_and_grad(gradion.checkpoint(deep)))
    step(module, jnp.ones(2))
    step(module, jnp.ones(2))
    assert module.calls == 8


def test_a_constant_written_is_an_array():
    module = Counter()
    gradion.checkpoint(lambda m, x: setattr(m, "last", jnp.zeros(())) or x)(module, 1.0)
    assert isinstance(module.last, jax.Array)
