"""Optimisers: the same minimum as scipy's, failed trials, ends, many starts."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares

from gradion.fit import (
    LBFGS,
    AbstractObservable,
    Adam,
    DataSet,
    FitError,
    LevenbergMarquardt,
    MultiStart,
    Problem,
    Termination,
    fit,
)
from gradion.foundation.errors import InputError
from gradion.module import AbstractPrior, LogNormalPrior, Module, NormalPrior, Parameter


def _scipy_decay(datasets, sigma=0.01, prior=None):
    """Least squares over the physical parameters, as scipy 1.17 finds it."""

    def residuals(x):
        rows = [(x[0] * np.exp(-x[1] * d.inputs) + x[2] - d.measured) / sigma for d in datasets]
        return np.concatenate(rows if prior is None else [*rows, [prior(x)]])

    return least_squares(residuals, [1.0, 0.5, 0.1], xtol=1e-15, ftol=1e-15, gtol=1e-12)


@pytest.mark.parametrize(
    ("optimiser", "tolerance"),
    [
        (LevenbergMarquardt(), 1e-6),
        (LBFGS(), 1e-5),
        (Adam(cost_rtol=1e-9), 1e-3),
        (MultiStart(LevenbergMarquardt(), 3, jax.random.key(4)), 1e-6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_same_minimum_as_scipy(kit, optimiser, tolerance):
    problem = kit.decay_problem()
    result = fit(problem, optimiser=optimiser)
    reference = _scipy_decay(problem.datasets[:2])
    assert result.is_success
    # The cost is flat to second order, so that a parameter is known to the root of its tolerance.
    np.testing.assert_allclose([p.fitted for p in result.parameters], reference.x, rtol=tolerance)
    assert result.cost_after == pytest.approx(reference.cost, rel=1e-6)


def test_priors_pull_as_rows_of_the_least_squares(kit):
    data = kit.decay_data()
    tight = LevenbergMarquardt(cost_rtol=1e-14, relative_offset=1e-8)
    priors = {"k": NormalPrior(2.0, 0.01)}
    result = fit(Problem(kit.Decay(), ["*"], [data], priors=priors), optimiser=tight)
    reference = _scipy_decay([data], prior=lambda x: (x[1] - 2.0) / 0.01)
    np.testing.assert_allclose([p.fitted for p in result.parameters], reference.x, rtol=1e-6)
    priors = {"k": LogNormalPrior(2.0, 0.01)}
    result = fit(Problem(kit.Decay(), ["*"], [data], priors=priors), optimiser=tight)
    reference = _scipy_decay([data], prior=lambda x: np.log(x[1] / 2.0) / 0.01)
    np.testing.assert_allclose([p.fitted for p in result.parameters], reference.x, rtol=1e-6)


@dataclass(frozen=True)
class _Flat(AbstractPrior):
    def log_density(self, value):
        return jnp.zeros_like(value)

    def scaled(self, factor):
        return self


def test_a_prior_that_is_no_square_is_refused(kit):
    with pytest.raises(InputError, match="parameter 'a': a prior of class _Flat is no sum"):
        Problem(kit.Decay(), ["a"], [kit.decay_data()], priors={"a": _Flat()})


def test_a_linear_problem_takes_a_few_steps(kit):
    times = np.linspace(-1.0, 1.0, 30)
    measured = 3.0 - 2.0 * times + np.sin(40.0 * times)
    data = DataSet(name="d", observable=kit.LineObservable(), inputs=times, measured=measured)
    tight = LevenbergMarquardt(relative_offset=1e-8)
    result = fit(Problem(kit.Line((1.0, 1.0)), ["*"], [data]), optimiser=tight)
    expected = np.polynomial.polynomial.polyfit(times, measured, 1)
    np.testing.assert_allclose([p.fitted for p in result.parameters], expected, rtol=1e-8)
    assert result.iterations[-1].number <= 5


class _Root(Module):
    def __init__(self, start: float) -> None:
        super().__init__()
        self.x = Parameter(start)


@dataclass(frozen=True)
class _SquareRoot(AbstractObservable):
    """sqrt(x - 1): nan below 1, and the first Newton step goes there."""

    def predict(self, module, inputs):
        return jnp.sqrt(module.x - 1.0) * inputs


@pytest.mark.parametrize(
    "optimiser", [LevenbergMarquardt(), LBFGS(), Adam()], ids=lambda value: type(value).__name__
)
def test_steps_to_nan_are_rejected(optimiser):
    data = DataSet(
        name="d", observable=_SquareRoot(), inputs=np.ones(3), measured=np.full(3, 0.1), sigma=0.1
    )
    result = fit(Problem(_Root(3.0), ["x"], [data]), optimiser=optimiser)
    assert result.parameters[0].fitted == pytest.approx(1.01, abs=1e-6)
    assert all(np.isfinite(item.cost) for item in result.iterations)
    if not isinstance(optimiser, Adam):
        assert result.is_success


def test_levenberg_marquardt_reports_rejected_trials():
    data = DataSet(
        name="d", observable=_SquareRoot(), inputs=np.ones(3), measured=np.full(3, 0.1), sigma=0.1
    )
    result = fit(Problem(_Root(3.0), ["x"], [data]))
    rejected = [item for item in result.iterations if not item.accepted]
    assert rejected
    for before, item in zip(result.iterations, result.iterations[1:], strict=False):
        assert item.cost <= before.cost
        if not item.accepted:
            assert item.z == before.z
            assert item.step_norm > 0.0


def test_a_start_that_fails_is_an_error_with_the_name():
    data = DataSet(name="cold", observable=_SquareRoot(), inputs=np.ones(3), measured=np.ones(3))
    for optimiser in (LevenbergMarquardt(), LBFGS()):
        with pytest.raises(FitError, match="data set 'cold': at the start 3 of 3"):
            fit(Problem(_Root(0.5), ["x"], [data]), optimiser=optimiser)


def test_out_of_iterations_is_told_and_not_raised(kit):
    result = fit(kit.decay_problem(), optimiser=LevenbergMarquardt(max_iterations=2))
    assert result.termination is Termination.MAX_ITERATIONS
    assert not result.is_success
    assert "max_iterations" in result.termination.message
    assert result.iterations[-1].number == 2


@dataclass(frozen=True)
class _Rough(AbstractObservable):
    """A decay with noise of the kind of an adaptive integration: no derivative knows of it."""

    def predict(self, module, inputs):
        noise = 1e-4 * jnp.sin(1e5 * module.k + 50.0 * inputs)
        return module.a * jnp.exp(-module.k * inputs) + module.c + jax.lax.stop_gradient(noise)


def test_noise_of_the_predictions_is_told_from_failure(kit):
    data = kit.decay_data(observable=_Rough())
    strict = LevenbergMarquardt(relative_offset=1e-12, cost_rtol=1e-15, step_rtol=1e-13)
    result = fit(Problem(kit.Decay(), ["*"], [data]), optimiser=strict)
    assert result.termination is Termination.NOISE_LIMITED
    assert result.is_success
    reference = _scipy_decay([data])
    for parameter, true in zip(result.parameters, reference.x, strict=True):
        assert abs(parameter.fitted - true) < 0.2 * parameter.standard_error


def test_perfect_data_end_at_once(kit):
    times = np.linspace(0.0, 4.0, 50)
    data = kit.decay_data(measured=np.exp(-0.5 * times) + 0.1)
    result = fit(Problem(kit.Decay(), ["*"], [data]))
    assert result.is_success
    assert result.iterations[-1].number == 0
    np.testing.assert_allclose([p.fitted for p in result.parameters], [1.0, 0.5, 0.1], rtol=1e-12)


class _Wells(Module):
    def __init__(self) -> None:
        super().__init__()
        self.x = Parameter(-1.2, bounds=(-3.0, 3.0))


@dataclass(frozen=True)
class _TwoWells(AbstractObservable):
    """Zero at x = 1.5, nearly zero at x = -1, with a hill between them."""

    def predict(self, module, inputs):
        return inputs * jnp.array([(module.x - 1.5) * (module.x + 1.0), 0.3 * (module.x - 1.5)])


@pytest.fixture(scope="module")
def wells():
    data = DataSet(name="d", observable=_TwoWells(), inputs=np.ones(2), measured=np.zeros(2))
    return Problem(_Wells(), ["x"], [data])


def test_many_starts_find_the_deeper_well(wells):
    near = fit(wells)
    assert near.parameters[0].fitted == pytest.approx(-0.97, abs=0.05)
    found = fit(wells, optimiser=MultiStart(LevenbergMarquardt(), 6, jax.random.key(0)))
    assert found.parameters[0].fitted == pytest.approx(1.5, abs=1e-6)
    assert {item.start for item in found.iterations} == set(range(6))


def test_scattered_starts_are_a_latin_hypercube(wells):
    optimiser = MultiStart(LevenbergMarquardt(), 9, jax.random.key(2))
    state = optimiser.start(wells, wells.z_start)
    assert state.starts[0] == wells.z_start
    values = np.array([wells.values(z)[0] for z in state.starts[1:]])
    np.testing.assert_array_equal(np.sort(np.floor((values + 3.0) / 6.0 * 8)), np.arange(8))
    again = optimiser.start(wells, wells.z_start)
    np.testing.assert_array_equal(state.starts, again.starts)


def test_a_failed_start_is_passed_over():
    data = DataSet(name="d", observable=_SquareRoot(), inputs=np.ones(3), measured=np.ones(3))
    problem = Problem(_Root(0.5), ["x"], [data], bounds={"x": (0.0, 9.0)})
    optimiser = MultiStart(LevenbergMarquardt(), 5, jax.random.key(1))
    result = fit(problem, optimiser=optimiser)
    assert result.parameters[0].fitted == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LevenbergMarquardt(cost_rtol=0.0), "cost_rtol: got 0.0"),
        (lambda: LBFGS(memory=0), "memory: got 0"),
        (lambda: Adam(learning_rate=-1.0), "learning_rate: got -1.0"),
        (lambda: MultiStart(LBFGS(), 1, jax.random.key(0)), "starts: got 1"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
