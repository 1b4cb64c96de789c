"""Covariance: closed forms, and simulations with independent and correlated errors."""

import jax
import numpy as np
import pytest
from scipy.optimize import curve_fit

from gradion.fit import CovarianceKind, DataSet, Problem, fit, uncertainty_at
from gradion.fit.covariance import Series, sandwich_covariances
from gradion.fit.series import analyse_series, kernel_width, serial_correlation
from gradion.module import NormalPrior


def _line(n):
    t = np.linspace(0.0, 1.0, n)
    return np.stack([np.ones(n), t], axis=1)


def _autoregressive(rng, rho, gaps):
    """A stationary process of variance 1 with correlation rho ** gap."""
    decay = rho**gaps if rho > 0.0 else np.zeros_like(gaps)
    errors = rng.standard_normal(gaps.size + 1)
    for i in range(1, errors.size):
        errors[i] = decay[i - 1] * errors[i - 1] + np.sqrt(1.0 - decay[i - 1] ** 2) * errors[i]
    return errors


def _standard_errors(columns, weights, errors):
    """Estimates of zero and their standard errors (plain, robust) for one data set."""
    jacobian, y = columns * np.sqrt(weights)[:, None], errors * np.sqrt(weights)
    estimate = np.linalg.lstsq(jacobian, y, rcond=None)[0]
    n = y.size
    found = sandwich_covariances(
        jacobian, jacobian @ estimate - y, [Series(slice(0, n), weights)], slice(n, n)
    )
    return estimate, np.sqrt(np.diag(found.plain)), np.sqrt(np.diag(found.robust))


def _simulate(rho, n, replicates, *, clock=None, weights=None):
    """Mean standard errors over the true one: (plain, robust), each [parameters]."""
    rng = np.random.default_rng(7)
    weights = np.ones(n) if weights is None else weights * n / weights.sum()
    columns = _line(n) if clock is None else np.stack([np.ones(n), clock], axis=1)
    gaps = np.diff(np.cumsum(weights) - 0.5 * weights)
    runs = [
        _standard_errors(columns, weights, _autoregressive(rng, rho, gaps))
        for _ in range(replicates)
    ]
    estimates, plain, robust = (np.array(item) for item in zip(*runs, strict=True))
    true = np.std(estimates, axis=0)
    return plain.mean(axis=0) / true, robust.mean(axis=0) / true


def test_independent_errors_leave_the_robust_kind_unharmed():
    plain, robust = _simulate(0.0, 140, 200)
    # The standard deviation of 200 replicates is known to 5 %: three times that.
    np.testing.assert_allclose(plain, 1.0, atol=0.15)
    np.testing.assert_allclose(robust, plain, rtol=0.05)


@pytest.mark.parametrize("n", [140, 500])
def test_correlated_errors(n):
    plain, robust = _simulate(0.9, n, 200)
    # For a slow regressor the plain error is too small by sqrt((1 + rho) / (1 - rho)) = 4.36.
    np.testing.assert_allclose(plain * 4.36, 1.0, atol=0.2)
    np.testing.assert_allclose(robust, 1.0, atol=0.2)


def test_correlated_errors_at_points_spread_unevenly():
    clock = np.sort(np.random.default_rng(5).uniform(0.0, 1.0, 140) ** 2)
    plain, robust = _simulate(0.9, 140, 200, clock=clock, weights=np.gradient(clock))
    assert (plain < 0.3).all()
    np.testing.assert_allclose(robust, 1.0, atol=0.2)


def test_restricted_likelihood_finds_the_correlation():
    rng = np.random.default_rng(3)
    columns, clock = _line(300), np.arange(300.0)
    project = np.eye(300) - columns @ np.linalg.pinv(columns)
    for rho in (0.0, 0.5, 0.9):
        found = [
            serial_correlation(clock, project @ _autoregressive(rng, rho, np.diff(clock)), columns)
            for _ in range(30)
        ]
        # Its own standard error, sqrt((1 - rho^2) / n), is 0.058 at most; of the mean, 0.011.
        assert np.mean(found) == pytest.approx(rho, abs=0.04)


def test_prewhitening_keeps_the_sum_of_scores_and_counts_effective_points():
    rng = np.random.default_rng(0)
    n = 2000
    errors = _autoregressive(rng, 0.8, np.ones(n - 1))
    found = analyse_series(np.ones((n, 1)), errors, np.ones(n))
    # The long-run variance of the process is (1 + rho) / (1 - rho) = 9.
    assert found.correlation == pytest.approx(0.8, abs=0.05)
    assert found.effective_count == pytest.approx(n / 9.0, rel=0.25)
    assert found.meat[0, 0] == pytest.approx(9.0 * n, rel=0.25)
    still = analyse_series(np.ones((n, 1)), rng.standard_normal(n), np.ones(n))
    assert still.effective_count > 0.85 * n


def test_kernel_width_of_terms_without_correlation_is_small():
    rng = np.random.default_rng(0)
    assert kernel_width(rng.standard_normal((1000, 3))) < 3.0
    slow = np.convolve(rng.standard_normal(1100), np.ones(50), mode="valid")[:1000, None]
    assert 30.0 < kernel_width(slow) <= 500.0
    assert kernel_width(np.zeros((10, 2))) == 1.0


def test_rows_of_weight_zero_count_nowhere():
    rng = np.random.default_rng(1)
    jacobian, residuals = rng.standard_normal((20, 2)), rng.standard_normal(20)
    weights = np.ones(20)
    small = sandwich_covariances(
        jacobian, residuals, [Series(slice(0, 20), weights)], slice(20, 20)
    )
    padded = [
        np.r_[part[:10], np.zeros((5, *part.shape[1:])), part[10:]]
        for part in (jacobian, residuals, weights)
    ]
    large = sandwich_covariances(*padded[:2], [Series(slice(0, 25), padded[2])], slice(25, 25))
    for name in ("plain", "heteroscedastic", "robust", "noise_scale", "effective_counts"):
        np.testing.assert_allclose(getattr(large, name), getattr(small, name), rtol=1e-10)


def test_more_parameters_than_points_has_no_estimate():
    found = sandwich_covariances(
        np.eye(2), np.ones(2), [Series(slice(0, 2), np.ones(2))], slice(2, 2)
    )
    assert np.isnan(found.plain).all()


def test_plain_kind_is_that_of_curve_fit(kit):
    data = kit.decay_data()
    problem = Problem(kit.Decay(), ["*"], [data])
    result = fit(problem)
    _, expected = curve_fit(
        lambda t, a, k, c: a * np.exp(-k * t) + c, data.inputs, data.measured, p0=[1.0, 0.5, 0.1]
    )
    found = result.uncertainty.plain
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-4)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(np.diag(expected)), rtol=1e-4)
    assert result.uncertainty.noise_scale == pytest.approx(1.0, abs=0.2)
    assert found.degrees_of_freedom == pytest.approx(47.0)
    np.testing.assert_allclose(np.diag(found.correlation), 1.0)


def test_intervals_stay_inside_the_bounds_and_are_those_of_t_in_z(kit):
    data = kit.decay_data(noise=0.3)
    result = fit(Problem(kit.Decay(), ["*"], [data]))
    estimate = result.uncertainty.of(CovarianceKind.PLAIN)
    for p, (low, high) in zip(result.parameters, estimate.intervals, strict=True):
        assert low < p.fitted < high
        assert p.bounds is None or p.bounds[0] < low < high < p.bounds[1]
    # c has no bounds: t of 47 degrees of freedom is 2.0117.
    half = 0.5 * (estimate.intervals[2, 1] - estimate.intervals[2, 0])
    assert half / estimate.standard_errors[2] == pytest.approx(2.0117, abs=1e-3)


def test_a_prior_counts_as_a_measurement():
    # y = c with n points of error sigma, and a prior of width s: 1 / var = n / sigma^2 + 1 / s^2.
    jacobian = np.r_[np.full((400, 1), 1.0 / 0.1), [[1.0 / 0.01]]]
    residuals = np.r_[np.tile([1.0, -1.0], 200), 0.0]
    found = sandwich_covariances(
        jacobian, residuals, [Series(slice(0, 400), np.ones(400))], slice(400, 401)
    )
    assert found.plain[0, 0] == pytest.approx(1.0 / (400 / 0.01 + 1e4), rel=2e-3)


def test_prior_reaches_the_uncertainty(kit):
    times = np.linspace(0.0, 1.0, 40)
    data = DataSet(
        name="d",
        observable=kit.LineObservable(),
        inputs=times,
        measured=np.random.default_rng(0).standard_normal(40),
    )
    tight = Problem(kit.Line((0.1,)), ["*"], [data], priors={"*": NormalPrior(0.0, 1e-3)})
    found = uncertainty_at(tight, np.zeros(1))
    assert found.plain.standard_errors[0] == pytest.approx(1e-3, rel=0.01)


def test_one_value_of_t_per_kind(kit):
    times = np.linspace(0.0, 1.0, 200)
    rng = np.random.default_rng(0)
    slow = DataSet(
        name="slow",
        observable=kit.LineObservable(),
        inputs=times,
        measured=_autoregressive(rng, 0.95, np.ones(199)),
    )
    result = fit(Problem(kit.Line((1.0, 1.0)), ["*"], [slow]))
    found = result.uncertainty
    assert found.serial_correlations["slow"] > 0.8
    assert found.effective_counts["slow"] < 40
    assert found.robust.degrees_of_freedom < found.plain.degrees_of_freedom
    assert (found.robust.standard_errors > 2.0 * found.plain.standard_errors).all()
    assert result.datasets[0].effective_count == found.effective_counts["slow"]
    assert jax.config.jax_enable_x64
