"""Activation."""

import jax
import jax.numpy as jnp
import pytest

from gradion import Module
from gradion.module.containers import Sequential
from gradion.nn import Activation, Linear


def test_it_calls_the_function():
    x = jnp.array([-1.0, 2.0])
    assert Activation(jax.nn.relu)(x).tolist() == [0, 2]
    assert jnp.array_equal(Activation(jnp.tanh)(x), jnp.tanh(x))


def test_it_compiles_in_a_sequential():
    model = Sequential(Linear(2, 3, key=jax.random.key(0)), Activation(jnp.tanh))
    x = jnp.ones((4, 2), jnp.float32)
    y = jax.jit(lambda model, x: model(x))(model, x)
    assert jnp.allclose(y, jnp.tanh(model[0](x)), rtol=1e-6)


def test_another_function_is_another_structure():
    traced = []

    @jax.jit
    def call(module, x):
        traced.append(None)
        return module(x)

    for function, expected in [(jnp.sin, jnp.sin(1.0)), (jnp.cos, jnp.cos(1.0))] * 2:
        assert float(call(Activation(function), 1.0)) == pytest.approx(float(expected))
    assert len(traced) == 2


@pytest.mark.parametrize("wrong", [3, "relu", None, Module()])
def test_what_is_no_function_is_refused(wrong):
    with pytest.raises(TypeError, match="expected a function"):
        Activation(wrong)


def test_repr_names_the_function():
    assert repr(Activation(jax.nn.relu)) == "Activation(relu)"

    def softsign(x):
        return x / (1 + abs(x))

    assert repr(Activation(softsign)) == "Activation(softsign)"
