"""Positive, Bounded and Symmetric."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module.parametrizations import (
    Bounded,
    Positive,
    Symmetric,
    register_parametrization,
)


class Holder(Module):
    def __init__(self, value, **about):
        super().__init__()
        self.value = Parameter(value, **about)


ROUND_TRIPS = [
    (Positive(), [3.3e-14, 1.0, 4e5]),
    (Positive(softplus=True), [3.3e-14, 0.7, 300.0]),
    (Bounded(-1.0, 3.0), [-1 + 1e-9, 0.0, 2.9999]),
    (Bounded(1e-16, 1e-12), [3.3e-14, 9.9e-13, 1.1e-16]),
]


@pytest.mark.parametrize(("parametrization", "values"), ROUND_TRIPS)
def test_the_right_inverse_is_one(parametrization, values):
    values = jnp.array(values)
    originals = parametrization.right_inverse(values)
    assert np.all(np.isfinite(originals))
    # A bound is 1e9 times as far from zero as the value is from it: nine digits are lost.
    np.testing.assert_allclose(parametrization(originals), values, rtol=1e-13)


@pytest.mark.parametrize("parametrization", [Positive(), Positive(softplus=True)])
def test_positive_is_positive(parametrization):
    values = parametrization(jnp.linspace(-700.0, 700.0, 29))
    assert np.all(values > 0)
    assert np.all(np.diff(values) > 0)


def test_positive_by_closed_form():
    x = jnp.array([-2.0, 0.0, 2.5])
    np.testing.assert_allclose(Positive()(x), np.exp([-2.0, 0.0, 2.5]), rtol=1e-14)
    # log 2 = 0.69314718055994531
    assert float(Positive(softplus=True)(jnp.array(0.0))) == pytest.approx(0.6931471805599453)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_positive_refuses_what_is_not(wrong):
    holder = Holder(np.array([1.0, wrong]))
    for parametrization in (Positive(), Positive(softplus=True)):
        with pytest.raises(InputError, match="above 0"):
            register_parametrization(holder, "value", parametrization)
    assert holder.get_parameter("value").shape == (2,)


@pytest.mark.parametrize("wrong", [1.0, 3.0, 0.5, 4.0, float("nan")])
def test_bounded_refuses_what_is_not_inside(wrong):
    holder = Holder(np.array([2.0, wrong]))
    with pytest.raises(InputError, match="between 1 and 3"):
        register_parametrization(holder, "value", Bounded(1.0, 3.0))


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1)])
def test_bounded_needs_two_finite_bounds(bounds):
    with pytest.raises(InputError, match="low < high"):
        Bounded(*bounds)


@pytest.mark.parametrize("bounds", [(0.1, 0.3), (-1.0, 3.0), (1e-16, 1e-12)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_bounded_never_leaves_its_bounds(bounds, dtype):
    values = Bounded(*bounds)(jnp.linspace(-800.0, 800.0, 2001, dtype=dtype))
    assert values.dtype == dtype
    low, high = np.array(bounds, dtype)
    assert np.all((values >= low) & (values <= high))
    assert float(values[0]) == low
    assert float(values[-1]) == high


def test_gradients_by_closed_form():
    x = jnp.array(0.3)
    assert float(jax.grad(Positive())(x)) == pytest.approx(np.exp(0.3), rel=1e-14)
    s = 1 / (1 + np.exp(-0.3))
    # The logistic's derivative is s (1 - s).
    assert float(jax.grad(Bounded(1.0, 3.0))(x)) == pytest.approx(2 * s * (1 - s), rel=1e-14)
    assert float(jax.grad(Positive(softplus=True))(x)) == pytest.approx(s, rel=1e-14)


def test_symmetric_mirrors_the_upper_triangle():
    holder = Holder(np.array([[1.0, 2.0, 3.0], [9.0, 4.0, 5.0], [9.0, 9.0, 6.0]]))
    register_parametrization(holder, "value", Symmetric())
    assert holder.value.tolist() == [[1, 2, 3], [2, 4, 5], [3, 5, 6]]
    assert holder.parametrizations.value.original.tolist() == [1, 2, 3, 4, 5, 6]


def test_symmetric_takes_stacks_of_matrices():
    matrices = jnp.arange(8.0).reshape(2, 2, 2)
    packed = Symmetric().right_inverse(matrices)
    assert packed.tolist() == [[0, 1, 3], [4, 5, 7]]
    assert Symmetric()(packed).tolist() == [[[0, 1], [1, 3]], [[4, 5], [5, 7]]]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_symmetric_needs_a_square(shape):
    with pytest.raises(InputError, match="expected"):
        register_parametrization(Holder(np.ones(shape)), "value", Symmetric())


def test_symmetric_counts_an_off_diagonal_entry_twice():
    holder = Holder(np.eye(2))
    register_parametrization(holder, "value", Symmetric())
    grads = jax.grad(lambda holder: holder.value.sum())(holder)
    assert grads.parametrizations.value.original.tolist() == [1, 2, 1]


def test_symmetric_keeps_the_description():
    holder = Holder(np.eye(2), unit="Pa", bounds=(-2, 2), source="a table")
    meta = holder.get_parameter("value").meta
    register_parametrization(holder, "value", Symmetric())
    assert holder.get_parameter("parametrizations.value.original").meta == meta
    with pytest.raises(InputError, match="bounds"):
        holder.value = jnp.full((2, 2), 3.0)
    assert holder.value.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("parametrization", [Positive(), Bounded(1e-16, 1e-12)])
def test_a_physical_parameter_keeps_value_and_shape(parametrization):
    holder = Holder(3.3e-14, unit="m^2/s", bounds=(1e-16, 1e-12), source="Chen et al. 2020")
    register_parametrization(holder, "value", parametrization)
    assert float(holder.value) == pytest.approx(3.3e-14, rel=1e-13)
    original = holder.get_parameter("parametrizations.value.original")
    assert (original.unit, original.bounds, original.shape) == ("1", None, ())
    holder.value = 5e-13
    assert float(holder.value) == pytest.approx(5e-13, rel=1e-13)
    with pytest.raises(InputError):
        holder.value = 2e-12


def test_they_compile_and_say_what_they_are():
    holder = Holder(2.0)
    register_parametrization(holder, "value", Bounded(1.0, 3.0))
    assert float(jax.jit(lambda holder: holder.value)(holder)) == pytest.approx(2)
    assert "Bounded(low=1, high=3)" in repr(holder)
    assert repr(Positive(softplus=True)) == "Positive(softplus=True)"


def test_a_traced_value_can_be_assigned():
    holder = Holder(2.0)
    register_parametrization(holder, "value", Positive())

    def f(x):
        twin = Holder(x)
        register_parametrization(twin, "value", Positive())
        return twin.value**2

    assert float(jax.jit(f)(3.0)) == pytest.approx(9)
    assert float(jax.grad(f)(3.0)) == pytest.approx(6)
