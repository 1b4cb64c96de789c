"""Linear and LazyLinear."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion.foundation.errors import InputError
from gradion.nn import LazyLinear, Linear, ShapeError

KEY = jax.random.key(0)
X = np.array([[1, 2], [3, 5], [-1, 0.5]], np.float32)
WEIGHT = np.array([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]], np.float32)
BIAS = np.array([1, -2, 0.25], np.float32)


def known(bias=True):
    layer = Linear(2, 3, bias=bias, key=KEY)
    layer.get_parameter("weight").value = WEIGHT
    if bias:
        layer.get_parameter("bias").value = BIAS
    return layer


def test_values_agree_with_torch():
    # torch 2.13.0, torch.nn.Linear(2, 3) with these numbers, 2026-11-22.
    expected = [[1.5, -2.5, 1.95], [2.3, -3.0999999, 4.75], [1.0, -2.5, 0.05]]
    # Three float32 operations on numbers up to 5.
    np.testing.assert_allclose(known()(X), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(known(bias=False)(X), np.array(expected) - BIAS, rtol=0, atol=1e-6)


def test_it_acts_on_the_last_axis():
    layer = known()
    stacked = layer(jnp.asarray(X)[None].repeat(4, 0))
    assert stacked.shape == (4, 3, 3)
    np.testing.assert_array_equal(layer(X[0]), layer(X)[0])


def test_names_shapes_and_dtypes_are_those_of_torch():
    layer = Linear(2, 3, key=KEY)
    state = layer.state_dict()
    assert {name: value.shape for name, value in state.items()} == {"weight": (3, 2), "bias": (3,)}
    assert {value.dtype for value in state.values()} == {jnp.dtype(jnp.float32)}
    assert Linear(2, 3, key=KEY, dtype=jnp.float64).weight.dtype == jnp.float64
    assert repr(layer) == "Linear(in_features=2, out_features=3, bias=True)"


def test_without_bias_there_is_a_place_for_one():
    layer = Linear(2, 3, bias=False, key=KEY)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert repr(layer) == "Linear(in_features=2, out_features=3, bias=False)"


def test_first_values_are_uniform_as_in_torch():
    layer = Linear(100, 2000, key=KEY)
    for values in (layer.weight, layer.bias):
        assert np.abs(values).max() <= 0.1
        # Extremes of n uniform numbers are 1 - 1/n of the bound: 2000 of them miss 2 % never.
        assert np.abs(values).max() > 0.098
    # Standard deviation 0.1 / sqrt(3) of 2e5 numbers: relative error 1e-3.
    assert float(jnp.std(layer.weight)) == pytest.approx(0.1 / np.sqrt(3), rel=5e-3)
    assert float(jnp.mean(layer.weight)) == pytest.approx(0, abs=1e-3)


def test_the_key_decides():
    assert jnp.array_equal(Linear(2, 3, key=KEY).weight, Linear(2, 3, key=KEY).weight)
    other = Linear(2, 3, key=jax.random.key(1))
    assert not jnp.array_equal(Linear(2, 3, key=KEY).weight, other.weight)
    with pytest.raises(TypeError):
        Linear(2, 3)


def test_no_inputs_and_no_outputs_are_allowed():
    assert Linear(0, 3, key=KEY)(jnp.ones((2, 0))).shape == (2, 3)
    assert Linear(3, 0, key=KEY)(jnp.ones((2, 3))).shape == (2, 0)
    with pytest.raises(InputError, match="expected 0 or more"):
        Linear(-1, 3, key=KEY)


@pytest.mark.parametrize("shape", [(2, 4), (3,), ()])
@pytest.mark.parametrize("error", [RuntimeError, ValueError, ShapeError])
def test_another_last_axis_raises_what_torch_raises(shape, error):
    with pytest.raises(error, match=r"expected \(\.\.\., 2\)"):
        known()(jnp.ones(shape))


def test_gradients_by_closed_form():
    layer = known()
    grads = jax.grad(lambda layer: layer(X).sum())(layer)
    np.testing.assert_allclose(grads.weight, np.tile(X.sum(0), (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(grads.bias, [3, 3, 3], rtol=1e-6)


def test_a_lazy_one_becomes_what_a_linear_is():
    lazy = LazyLinear(3, key=KEY)
    assert repr(lazy) == "LazyLinear(in_features=?, out_features=3, bias=True)"
    assert lazy.has_uninitialized_params()
    y = lazy(X)
    layer = Linear(2, 3, key=KEY)
    assert type(lazy) is Linear
    assert (lazy.in_features, lazy.out_features) == (2, 3)
    assert jnp.array_equal(y, layer(X))
    assert repr(lazy) == repr(layer)
    assert lazy.__dict__.keys() == layer.__dict__.keys()
    assert jax.tree.structure(lazy) == jax.tree.structure(layer)


def test_a_lazy_one_may_lack_bias_and_have_another_dtype():
    lazy = LazyLinear(3, bias=False, key=KEY, dtype=jnp.float64)
    lazy(X)
    assert lazy.bias is None
    assert lazy.weight.dtype == jnp.float64


def test_a_lazy_one_keeps_loaded_values():
    lazy = LazyLinear(3, key=KEY)
    lazy.load_state_dict(known().state_dict())
    assert type(lazy) is LazyLinear
    np.testing.assert_array_equal(lazy(X), known()(X))
    assert type(lazy) is Linear
    assert lazy.in_features == 2


def test_a_lazy_one_refuses_a_number():
    with pytest.raises(ShapeError, match="LazyLinear"):
        LazyLinear(3, key=KEY)(jnp.ones(()))


def test_a_lazy_one_in_a_copy_starts_from_the_same_key():
    lazy = LazyLinear(3, key=KEY)
    twin = copy.deepcopy(lazy)
    assert jnp.array_equal(lazy(X), twin(X))


def test_a_called_lazy_one_trains():
    lazy = LazyLinear(1, key=KEY)
    lazy(X)

    @gradion.jit
    def step(layer):
        grads = gradion.grad(lambda layer: ((layer(X) - 1) ** 2).mean())(layer)
        for name, grad in grads.items():
            parameter = layer.get_parameter(name)
            parameter.value = parameter.value - 0.05 * grad

    before = float(((lazy(X) - 1) ** 2).mean())
    for _ in range(400):
        step(lazy)
    # The smallest eigenvalue of the loss's Hessian is 0.0593: an error decays by at least
    # (1 - 0.05 0.0593)^400 = 0.305, the loss by its square.
    assert float(((lazy(X) - 1) ** 2).mean()) < 0.1 * before


@pytest.mark.peers
def test_values_and_gradients_agree_with_torch_live():
    import torch

    theirs = torch.nn.Linear(2, 3)
    ours = Linear(2, 3, key=KEY)
    ours.load_state_dict({k: v.detach().numpy() for k, v in theirs.state_dict().items()})
    y = theirs(torch.tensor(X))
    np.testing.assert_allclose(ours(X), y.detach().numpy(), rtol=0, atol=1e-6)
    (y**2).sum().backward()
    grads = jax.grad(lambda layer: (layer(X) ** 2).sum())(ours)
    np.testing.assert_allclose(grads.weight, theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grads.bias, theirs.bias.grad.numpy(), rtol=1e-5, atol=1e-5)
