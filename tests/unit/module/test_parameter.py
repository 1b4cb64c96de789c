"""Parameter, its description and priors."""

import copy
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.errors import InputError
from gradion.module import LogNormalPrior, NormalPrior, Parameter, ParameterMeta


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.ones(2, np.float32), np.arange(3)])
def test_plain_numbers_become_float64_arrays(value):
    parameter = Parameter(value)
    assert isinstance(parameter.value, jax.Array)
    assert parameter.dtype == np.float64
    assert parameter.shape == np.shape(value)


def test_jax_array_keeps_its_dtype():
    assert Parameter(jnp.ones(2, jnp.float32)).dtype == np.float32
    assert Parameter(1.0, dtype=jnp.float32).dtype == np.float32


def test_value_is_not_weakly_typed():
    weak = jnp.asarray(1.0) * 1.0 + 0.0
    traced_weak = jax.jit(lambda: 1.0)()
    for value in (1.0, weak, traced_weak):
        assert not Parameter(value).value.aval.weak_type


@pytest.mark.parametrize("value", ["1.0", None, [[1.0], "a"], 1j, True, object()])
def test_not_a_number_is_a_type_error(value):
    with pytest.raises((TypeError, ValueError)):
        Parameter(value)


def test_integer_jax_array_is_a_type_error():
    with pytest.raises(TypeError, match="int32, expected a floating dtype"):
        Parameter(jnp.arange(3, dtype=jnp.int32))


def test_description_is_kept():
    prior = NormalPrior(1, 2)
    parameter = Parameter(
        1.0, unit="m**2/s", bounds=(0, None), prior=prior, source="a paper", trainable=False
    )
    assert parameter.unit == "m^2/s"
    assert parameter.bounds == (0.0, math.inf)
    assert parameter.prior is prior
    assert parameter.source == "a paper"
    assert not parameter.trainable
    text = repr(parameter)
    assert "m^2/s" in text
    assert "trainable=False" in text


def test_open_bounds_are_none():
    assert Parameter(1.0, bounds=(None, None)).bounds is None
    assert Parameter(1.0, bounds=(-math.inf, math.inf)).bounds is None


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (1,), "ab", (0, "x"), (math.nan, 1), 3])
def test_bad_bounds(bounds):
    with pytest.raises(InputError, match="bounds"):
        Parameter(1.0, bounds=bounds)


def test_value_outside_bounds():
    with pytest.raises(InputError, match=r"value 5\.0 is outside its bounds \(0, 1\)"):
        Parameter(5.0, bounds=(0, 1))
    with pytest.raises(InputError, match="outside"):
        Parameter(np.array([0.5, math.nan]), bounds=(0, 1))
    assert Parameter(1.0, bounds=(0, 1)).value == 1.0  # closed


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("unit", "florps", InputError),
        ("prior", 3.0, TypeError),
        ("source", 3.0, TypeError),
        ("trainable", 1, TypeError),
    ],
)
def test_bad_description(field, value, error):
    with pytest.raises(error):
        Parameter(1.0, **{field: value})


def test_set_value():
    parameter = Parameter(np.zeros(2), bounds=(-1, 1))
    parameter.value = [0.5, -0.5]
    np.testing.assert_array_equal(parameter.value, [0.5, -0.5])
    with pytest.raises(InputError, match=r"shape \(3,\), expected \(2,\)"):
        parameter.value = np.zeros(3)
    with pytest.raises(TypeError, match="float32, expected float64"):
        parameter.value = jnp.zeros(2, jnp.float32)
    with pytest.raises(InputError, match="outside"):
        parameter.value = np.full(2, 3.0)
    with pytest.raises(TypeError, match="got a Parameter"):
        parameter.value = Parameter(1.0)
    np.testing.assert_array_equal(parameter.value, [0.5, -0.5])


def test_set_description_checks_the_value():
    parameter = Parameter(1.0, unit="m")
    parameter.bounds = (0, 2)
    parameter.source = "elsewhere"
    parameter.prior = NormalPrior(1.0, 1.0)
    parameter.trainable = False
    with pytest.raises(InputError, match="outside"):
        parameter.bounds = (2, 3)
    assert parameter.meta == ParameterMeta("m", (0, 2), NormalPrior(1, 1), "elsewhere", False)
    with pytest.raises(AttributeError):
        parameter.unit = "s"


def test_grad_slot():
    parameter = Parameter(np.zeros(2))
    assert parameter.grad is None
    parameter.grad = jnp.ones(2)
    with pytest.raises(InputError, match="grad"):
        parameter.grad = jnp.ones(3)


@pytest.mark.parametrize(
    "use",
    [
        lambda p: jnp.exp(p),
        lambda p: jax.lax.exp(p),
        lambda p: np.asarray(p),
        lambda p: jnp.asarray(p),
        lambda p: p * 2.0,
        lambda p: jax.jit(lambda x: x)(p),
    ],
)
def test_a_parameter_is_not_an_array(use):
    with pytest.raises(TypeError, match="Parameter"):
        use(Parameter(1.0))


def test_a_tracer_is_not_compared_with_bounds():
    value = jax.jit(lambda x: Parameter(x, bounds=(0, 1)).value)(jnp.array(7.0))
    assert value == 7.0


def test_deepcopy():
    parameter = Parameter(1.0, unit="m", source="s")
    twin = copy.deepcopy(parameter)
    assert twin is not parameter
    assert twin.value is not parameter.value
    assert twin.meta == parameter.meta


@pytest.mark.parametrize(
    ("prior", "inside"),
    [(NormalPrior(0.5, 2.0), (-math.inf, math.inf)), (LogNormalPrior(3.0, 0.7), (0.0, math.inf))],
)
def test_prior_density_integrates_to_one(prior, inside):
    # The trapezoid rule on a smooth, decaying integrand: error far below 1e-8.
    t = np.linspace(-30, 30, 20001)
    x = t if inside[0] == -math.inf else np.exp(t)
    density = np.exp(np.asarray(prior.log_density(x)))
    assert np.trapezoid(density, x) == pytest.approx(1.0, abs=1e-4)


def test_priors_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    x = np.array([0.1, 1.0, 4.0])
    np.testing.assert_allclose(
        NormalPrior(1.0, 0.3).log_density(x), stats.norm(1.0, 0.3).logpdf(x), rtol=1e-13
    )
    np.testing.assert_allclose(
        LogNormalPrior(2.0, 0.3).log_density(x),
        stats.lognorm(0.3, scale=2.0).logpdf(x),
        rtol=1e-13,
    )


def test_log_normal_outside_its_support():
    prior = LogNormalPrior(2.0, 0.3)
    assert prior.log_density(-1.0) == -math.inf
    assert jax.grad(lambda x: prior.log_density(x))(-1.0) == 0.0
    assert jax.grad(lambda x: prior.log_density(x))(0.0) == 0.0


@pytest.mark.parametrize("prior", [NormalPrior(2.0, 0.5), LogNormalPrior(2.0, 0.5)])
def test_scaled_prior(prior):
    # Density per new unit: the old one divided by the factor.
    factor = 1e3
    np.testing.assert_allclose(
        prior.scaled(factor).log_density(factor * 1.7),
        prior.log_density(1.7) - math.log(factor),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: NormalPrior(0, 0),
        lambda: NormalPrior(math.inf, 1),
        lambda: LogNormalPrior(0, 1),
        lambda: LogNormalPrior(1, -1),
        lambda: NormalPrior("a", 1),
    ],
)
def test_bad_prior(make):
    with pytest.raises(InputError, match="expected a"):
        make()


def test_priors_are_hashed_by_content():
    assert hash(NormalPrior(1, 2)) == hash(NormalPrior(1.0, 2.0))
    assert NormalPrior(1, 2) == NormalPrior(1.0, 2.0)
    assert LogNormalPrior(1, 2) != NormalPrior(1, 2)


def test_requires_grad_is_trainable():
    parameter = Parameter(1.0)
    parameter.requires_grad = False
    assert not parameter.trainable
    parameter.trainable = True
    assert parameter.requires_grad
