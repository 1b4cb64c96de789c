"""The LLTM cell as a Module and as a function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import gradion
from gradion.foundation.errors import InputError
from gradion.nn import LLTM, ShapeError, lltm_cell
from gradion.testing import assert_gradient

KEY = jax.random.key(0)


def wave(shape, scale, shift):
    """Numbers that another program can make too."""
    return (
        (scale * np.sin(1.7 * np.arange(np.prod(shape)) + shift)).astype(np.float32).reshape(shape)
    )


# weight, bias, x, old_h, old_cell of state 2, 3 features and batch 2.
INPUTS = (
    wave((6, 5), 0.8, 0.3),
    wave((6,), 0.5, 1.1),
    wave((2, 3), 1.2, 0.7),
    wave((2, 2), 0.9, 2.0),
    wave((2, 2), 0.6, 0.1),
)
# torch 2.13.0+cpu, 2026-11-24: X = cat([old_h, x], 1), g = F.linear(X, weight, bias).chunk(3, 1),
# new_cell = old_cell + F.elu(g[2]) * sigmoid(g[0]), new_h = tanh(new_cell) * sigmoid(g[1]), and
# torch.autograd.grad of `loss` below. The candidates are positive and negative, two each.
NEW_H = [[0.2192773, 0.064645365], [0.06087261, -0.3299045]]
NEW_CELL = [[0.5285257, 0.35272408], [0.20239282, -0.743039]]
GRADIENTS = (
    [
        [0.27252442, -0.13726392, 0.2659756, 0.42569146, -0.3756716],
        [0.24828218, -0.20315742, 0.21134417, -0.17718321, -0.16568601],
        [0.039479643, -0.021712156, 0.037806366, 0.048450187, -0.050291445],
        [-0.06670129, 0.06491715, -0.052678082, 0.122391164, 0.021139229],
        [0.005913138, 0.07874815, 0.038179398, 0.6004513, -0.19290909],
        [-1.6391023, 1.2316804, -1.4386752, 0.3774593, 1.341408],
    ],
    [0.49181715, -0.12796262, 0.0577717, 0.110627115, 0.61342025, 0.037059546],
    [[-0.84619766, 0.6353146, 0.68248415], [0.6722041, -0.6350806, -0.5085508]],
    [[0.9537207, -0.4172588], [-0.7912206, 0.461861]],
    [[1.1520159, -1.9781612], [0.5356355, 2.7923687]],
)


def loss(*inputs):
    new_h, new_cell = lltm_cell(*inputs)
    return (new_h**2).sum() + (new_cell * jnp.array([[1, -2], [0.5, 3]], jnp.float32)).sum()


def known():
    layer = LLTM(3, 2, key=KEY)
    layer.get_parameter("weight").value = INPUTS[0]
    layer.get_parameter("bias").value = INPUTS[1]
    return layer


def test_values_agree_with_torch():
    x, h, cell = INPUTS[2:]
    # Some ten float32 operations on numbers up to 2.
    for got, expected in zip(known()(x, (h, cell)), (NEW_H, NEW_CELL), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_gradients_agree_with_torch():
    found = jax.grad(loss, argnums=range(5))(*INPUTS)
    # Sums of up to 12 products of numbers up to 3, in float32.
    for got, expected in zip(found, GRADIENTS, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=5e-6)


@pytest.mark.peers
def test_values_and_gradients_agree_with_torch_live():
    import torch

    def their_loss(weight, bias, x, h, cell):
        gates = torch.nn.functional.linear(torch.cat([h, x], 1), weight, bias).chunk(3, 1)
        new_cell = cell + torch.nn.functional.elu(gates[2]) * torch.sigmoid(gates[0])
        new_h = torch.tanh(new_cell) * torch.sigmoid(gates[1])
        return (new_h**2).sum() + (new_cell * torch.tensor([[1, -2], [0.5, 3]])).sum()

    tensors = [torch.tensor(array, requires_grad=True) for array in INPUTS]
    expected = torch.autograd.grad(their_loss(*tensors), tensors)
    for got, their in zip(jax.grad(loss, argnums=range(5))(*INPUTS), expected, strict=True):
        np.testing.assert_allclose(got, their.numpy(), rtol=0, atol=5e-6)


def test_the_gradient_is_that_of_the_value():
    at, unravel = ravel_pytree([jnp.asarray(array, jnp.float64) for array in INPUTS])
    assert_gradient(lambda flat: loss(*unravel(flat)), at, jnp.cos(jnp.arange(at.size)))


@pytest.mark.parametrize("gate", [0.0, 1e-30, -1e-30, 100.0, 1e4, -100.0, -1e4])
def test_the_candidate_has_a_clean_gradient_at_its_kink_and_far_out(gate):
    """elu has slope 1 at 0 from both sides; exp(1e4) of the branch not taken is infinite."""

    def candidate(bias):
        # No weight, and an input gate of sigmoid(100) = 1: the new cell is elu(gate).
        gates = jnp.stack([jnp.float32(100), jnp.float32(0), bias])
        nothing = jnp.zeros((1, 1), jnp.float32)
        return lltm_cell(jnp.zeros((3, 2), jnp.float32), gates, nothing, nothing, nothing)[1][0, 0]

    value, slope = jax.value_and_grad(candidate)(jnp.float32(gate))
    assert float(value) == pytest.approx(max(gate, np.expm1(min(gate, 0.0))), rel=1e-6)
    assert float(slope) == pytest.approx(np.exp(min(gate, 0.0)), rel=1e-6)


def test_names_shapes_and_dtypes_are_those_of_torch():
    layer = LLTM(3, 2, key=KEY)
    shapes = {name: value.shape for name, value in layer.state_dict().items()}
    assert shapes == {"weight": (6, 5), "bias": (6,)}
    assert {value.dtype for value in layer.state_dict().values()} == {jnp.dtype(jnp.float32)}
    assert LLTM(3, 2, key=KEY, dtype=jnp.float64).weight.dtype == jnp.float64
    assert repr(layer) == "LLTM(input_features=3, state_size=2)"


def test_first_values_are_uniform_over_the_state_size():
    layer = LLTM(100, 400, key=KEY)
    for values in (layer.weight, layer.bias):
        # Extremes of n uniform numbers are 1 - 1/n of the bound: 1200 of them miss 2 % never.
        assert 0.98 / 20 < np.abs(values).max() <= 1 / 20
    # Standard deviation of 6e5 uniform numbers: relative error 1e-3.
    assert float(jnp.std(layer.weight)) == pytest.approx(1 / 20 / np.sqrt(3), rel=5e-3)
    assert jnp.array_equal(layer.weight, LLTM(100, 400, key=KEY).weight)
    assert not jnp.array_equal(layer.weight, LLTM(100, 400, key=jax.random.key(1)).weight)


def test_sizes_of_nothing_are_allowed_and_below_it_not():
    zeros = jnp.zeros((2, 3), jnp.float32)
    assert LLTM(0, 3, key=KEY)(jnp.zeros((2, 0), jnp.float32), (zeros, zeros))[0].shape == (2, 3)
    empty = jnp.zeros((2, 0), jnp.float32)
    assert LLTM(3, 0, key=KEY)(zeros, (empty, empty))[1].shape == (2, 0)
    with pytest.raises(InputError, match="LLTM: got -1 input features"):
        LLTM(-1, 3, key=KEY)


@pytest.mark.parametrize(
    ("position", "shape", "message"),
    [
        (1, (5,), r"got weight of shape \(6, 5\) and bias of shape \(5,\)"),
        (2, (2, 4), r"got x of shape \(2, 4\), expected \(\.\.\., 3\)"),
        (2, (), r"got x of shape \(\), expected \(\.\.\., 3\)"),
        (3, (2, 3), r"got old_h of shape \(2, 3\), expected \(2, 2\)"),
        # It would broadcast.
        (4, (1, 2), r"got old_cell of shape \(1, 2\), expected \(2, 2\)"),
        (4, (2,), r"got old_cell of shape \(2,\), expected \(2, 2\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(position, shape, message):
    inputs = [*INPUTS]
    inputs[position] = np.zeros(shape, np.float32)
    with pytest.raises(ShapeError, match="LLTM: " + message):
        lltm_cell(*inputs)


def test_rows_of_a_weight_that_are_no_three_gates_are_refused():
    with pytest.raises(ShapeError, match="expected \\(3 state, state"):
        lltm_cell(np.zeros((5, 4), np.float32), np.zeros(5, np.float32), *INPUTS[2:])


def test_compiled_mapped_and_without_a_batch_it_is_the_same():
    layer, (x, h, cell) = known(), INPUTS[2:]
    expected = layer(x, (h, cell))
    alone = [layer(x[k], (h[k], cell[k])) for k in range(2)]
    # The order of sums may differ between these programs: 5 numbers up to 2, in float32.
    for got in (
        gradion.jit(layer)(x, (h, cell)),
        jax.vmap(lambda x, h, cell: layer(x, (h, cell)))(x, h, cell),
        jax.tree.map(lambda *rows: jnp.stack(rows), *alone),
    ):
        for mine, theirs in zip(got, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


def test_a_scan_is_a_loop_and_its_gradient_reaches_the_parameters():
    layer, (x, h, cell) = known(), INPUTS[2:]
    sequence = jnp.stack([x, 0.5 * x, -x])

    def scanned(layer):
        def step(state, x):
            return layer(x, state), None

        return jax.lax.scan(step, (h, cell), sequence)[0][0].sum()

    def looped(layer):
        state = (h, cell)
        for x in sequence:
            state = layer(x, state)
        return state[0].sum()

    found, expected = jax.grad(scanned)(layer), jax.grad(looped)(layer)
    for name in ("weight", "bias"):
        got = getattr(found, name)
        assert float(jnp.abs(got).min()) > 0
        np.testing.assert_allclose(got, getattr(expected, name), rtol=1e-5, atol=1e-6)
