"""BatchNorm against stored values of torch 2.13.0 (torch.nn.BatchNorm1d, 2026-11-22)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion.module import TransformError
from gradion.nn import BatchNorm, ShapeError

X = np.array([[1, 2], [3, 5], [-1, 0.5]], np.float32)
CUBE = np.arange(12, dtype=np.float32).reshape(2, 2, 3) ** 1.5
# Numbers of order 1 to 30 after some ten float32 operations.
TOLERANCE = {"rtol": 5e-6, "atol": 2e-6}


def close(got, expected):
    np.testing.assert_allclose(np.ravel(got), expected, **TOLERANCE)


def scaled():
    layer = BatchNorm(2)
    layer.get_parameter("weight").value = np.array([2, 0.5])
    layer.get_parameter("bias").value = np.array([-1, 3])
    return layer


def test_training_agrees_with_torch():
    layer = scaled()
    close(layer(X), [-0.9999999, 2.8663697, 1.4494852, 3.6681521, -3.4494848, 2.4654784])
    close(layer.running_mean, [0.1, 0.25])
    close(layer.running_var, [1.3, 1.425])
    assert int(layer.num_batches_tracked) == 1


def test_evaluation_agrees_with_torch():
    layer = scaled()
    layer(X)
    layer(2 * X)
    close(layer.eval()(X), [-0.1468062, 3.3466256, 2.2565565, 4.1622152, -2.550169, 2.9388309])
    close(layer.running_mean, [0.29, 0.725])
    close(layer.running_var, [2.77, 3.3824999])
    assert int(layer.num_batches_tracked) == 2


def test_without_momentum_all_batches_count_alike_as_in_torch():
    layer = BatchNorm(2, momentum=None)
    layer(X)
    layer(3 * X)
    close(layer.running_mean, [2, 5])
    close(layer.running_var, [20, 26.25])


def test_further_axes_are_averaged_over_as_in_torch():
    layer = BatchNorm(2)
    expected = [-1.1044641, -0.9934125, -0.7903628, -1.2039115, -0.9745536, -0.7143981]
    expected += [0.5276539, 0.9522397, 1.4083458, 0.5796682, 0.9578166, 1.355378]
    close(layer(CUBE), expected)
    close(layer.running_mean, [0.9945507, 1.9913691])
    close(layer.running_var, [10.6304274, 18.8333931])


def test_without_statistics_evaluation_takes_those_of_the_batch_as_in_torch():
    layer = BatchNorm(2, affine=False, track_running_stats=False).eval()
    close(layer(X), [0.0, -0.2672608, 1.2247425, 1.3363043, -1.2247425, -1.0690434])
    assert layer.running_mean is None
    assert layer.weight is None
    assert dict(layer.state_dict()) == {}


def test_the_gradient_agrees_with_torch():
    weights = np.array([[1, 2], [3, 4], [5, 7]], np.float32)
    grad = jax.grad(lambda x: (gradion_call(x) * weights).sum())(jnp.asarray(X))
    expected = [-1.2247425, -1.3744841, 0.6123689, 0.4581594, 0.6123736, 0.9163244]
    # Differences of terms of order 10 are of order 1.
    np.testing.assert_allclose(np.ravel(grad), expected, rtol=0, atol=1e-5)


def gradion_call(x):
    # Made inside, so that it may be written there.
    return BatchNorm(2)(x)


def test_names_are_those_of_torch():
    expected = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    layer = BatchNorm(2)
    assert list(layer.state_dict()) == expected
    assert jnp.issubdtype(layer.num_batches_tracked.dtype, jnp.integer)
    assert repr(layer) == (
        "BatchNorm(2, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )


def test_evaluation_changes_nothing():
    layer = BatchNorm(2).eval()
    before = layer.running_mean
    layer(X)
    assert layer.running_mean is before
    assert int(layer.num_batches_tracked) == 0


def test_a_compiled_call_carries_the_statistics_back():
    layer, plain = BatchNorm(2), BatchNorm(2)
    call = gradion.jit(lambda layer, x: layer(x))
    for factor in (1, 2):
        close(call(layer, factor * X), np.ravel(plain(factor * X)))
    close(layer.running_mean, plain.running_mean)
    close(layer.running_var, plain.running_var)
    assert int(layer.num_batches_tracked) == 2


def test_bare_jit_does_not_lose_them_silently():
    layer = BatchNorm(2)
    with pytest.raises(TransformError):
        jax.jit(lambda layer, x: layer(x))(layer, X)
    with pytest.raises(TransformError):
        jax.jit(lambda x: layer(x))(X)
    layer.eval()
    close(jax.jit(lambda layer, x: layer(x))(layer, X), np.ravel(layer(X)))


def test_no_gradient_flows_into_the_statistics():
    def after(x):
        layer = BatchNorm(2)
        layer(x)
        return layer.running_mean.sum() + layer.running_var.sum()

    assert jax.grad(after)(jnp.asarray(X)).tolist() == np.zeros((3, 2)).tolist()


def test_statistics_keep_their_dtype():
    layer = BatchNorm(2, momentum=None)
    layer(X.astype(np.float64))
    assert layer.running_mean.dtype == layer.running_var.dtype == jnp.float32
    assert BatchNorm(2, dtype=jnp.float64).running_var.dtype == jnp.float64


def test_reset_forgets_all_batches():
    layer = BatchNorm(2)
    layer(X)
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0]
    assert layer.running_var.tolist() == [1, 1]
    assert int(layer.num_batches_tracked) == 0


@pytest.mark.parametrize("shape", [(3, 4), (2,), (), (3, 1, 2)])
def test_another_number_of_channels_raises(shape):
    layer = BatchNorm(2)
    for error in (RuntimeError, ValueError, ShapeError):
        with pytest.raises(error, match=r"expected \(batch, 2, \.\.\.\)"):
            layer(jnp.ones(shape))


def test_one_number_a_channel_raises_as_in_torch():
    layer = BatchNorm(3)
    for shape in ((1, 3), (1, 3, 1)):
        with pytest.raises(ValueError, match="more than one number"):
            layer(jnp.ones(shape))
    assert int(layer.num_batches_tracked) == 0
    assert layer.eval()(jnp.ones((1, 3))).shape == (1, 3)


@pytest.mark.peers
@pytest.mark.parametrize("momentum", [0.3, None])
def test_a_run_of_batches_agrees_with_torch_live(momentum):
    import torch

    batches = np.random.default_rng(3).normal(2, 5, (4, 6, 3, 5)).astype(np.float32)
    ours, theirs = BatchNorm(3, momentum=momentum), torch.nn.BatchNorm1d(3, momentum=momentum)
    for batch in batches:
        expected = theirs(torch.tensor(batch)).detach().numpy()
        np.testing.assert_allclose(ours(batch), expected, rtol=1e-5, atol=1e-5)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=1e-5, err_msg=name)
    expected = theirs.eval()(torch.tensor(batches[0])).detach().numpy()
    np.testing.assert_allclose(ours.eval()(batches[0]), expected, rtol=1e-5, atol=1e-5)
