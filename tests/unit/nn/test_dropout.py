"""Dropout."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion.module import TransformError
from gradion.nn import Dropout

X = jnp.ones(10_000)


def dropout(p=0.25, seed=0, **options):
    return Dropout(p, key=jax.random.key(seed), **options)


def test_in_training_entries_are_zero_or_scaled():
    y = dropout(0.25)(X)
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    # Standard deviation of the share of zeros: sqrt(0.25 0.75 / 1e4) = 0.0043.
    assert float((y == 0).mean()) == pytest.approx(0.25, abs=0.02)
    assert y.dtype == X.dtype


def test_in_evaluation_it_is_the_identity():
    layer = dropout().eval()
    before = layer.key
    assert layer(X) is X
    assert layer.key is before


def test_each_call_draws_anew():
    layer = dropout()
    assert not jnp.array_equal(layer(X), layer(X))


def test_the_key_decides():
    assert jnp.array_equal(dropout(seed=1)(X), dropout(seed=1)(X))
    assert not jnp.array_equal(dropout(seed=1)(X), dropout(seed=2)(X))
    layer = dropout()
    twin = copy.deepcopy(layer)
    assert jnp.array_equal(layer(X), twin(X))


def test_a_compiled_call_moves_the_key_on_as_a_plain_one_does():
    layer, plain = dropout(), dropout()
    call = gradion.jit(lambda layer, x: layer(x))
    for _ in range(3):
        assert jnp.array_equal(call(layer, X) == 0, plain(X) == 0)


def test_gradients_go_where_entries_stayed():
    layer = dropout()
    twin = copy.deepcopy(layer)
    kept = twin(X) > 0

    def total(layer, x):
        return layer(x).sum()

    grad = gradion.grad(total, argnums=1)(layer, X)
    np.testing.assert_allclose(grad, np.where(kept, 1 / 0.75, 0), rtol=1e-15)


def test_bare_jit_does_not_repeat_a_mask_silently():
    layer = dropout()
    with pytest.raises(TransformError):
        jax.jit(lambda layer, x: layer(x))(layer, X)


def test_all_or_nothing():
    assert float(dropout(1.0)(X).sum()) == 0
    assert jnp.array_equal(dropout(0.0)(X), X)
    assert jnp.all(jnp.isfinite(jax.grad(lambda x: dropout(1.0)(x).sum())(X)))


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match="from 0 to 1"):
        dropout(p)
    with pytest.raises(TypeError):
        dropout("a")


def test_the_key_is_part_of_a_state_only_on_request():
    assert dict(dropout().state_dict()) == {}
    assert list(dropout(persistent=True).state_dict()) == ["key"]
    assert repr(dropout()) == "Dropout(p=0.25)"


def test_a_saved_key_goes_on_where_it_was():
    layer, other = dropout(persistent=True), dropout(persistent=True, seed=5)
    layer(X)
    other.load_state_dict(layer.state_dict())
    assert jnp.array_equal(layer(X), other(X))
