"""How well a fit knows its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from gradion.fit.covariance import CovarianceKind, Series, sandwich_covariances
from gradion.fit.dataset import Role
from gradion.fit.problem import Problem

__all__ = ["Estimate", "Uncertainty", "uncertainty_at"]

_LEVEL = 0.95


@final
@dataclass(frozen=True, eq=False)
class Estimate:
    """Covariance [parameters, parameters] in the parameters' units, and what follows from it.

    Rows, errors and intervals of parameters at a bound are nan. The 95 % `intervals`
    [parameters, 2] are those of t in the optimiser's coordinate, mapped to the parameter: they
    stay inside the bounds and need not be symmetric.
    """

    covariance: Float[np.ndarray, "parameters parameters"]
    standard_errors: Float[np.ndarray, " parameters"]
    correlation: Float[np.ndarray, "parameters parameters"]
    intervals: Float[np.ndarray, "parameters 2"]
    degrees_of_freedom: float


@final
@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Three estimates side by side; `robust` is the default one (see gradion.fit.covariance).

    `noise_scale` is the size of the residuals in units of sigma. `serial_correlations` and
    `effective_counts` are by name of data set.
    """

    labels: tuple[str, ...]
    values: Float[np.ndarray, " parameters"]
    at_bound: tuple[bool, ...]
    plain: Estimate
    heteroscedastic: Estimate
    robust: Estimate
    noise_scale: float
    serial_correlations: dict[str, float]
    effective_counts: dict[str, float]

    def of(self, kind: CovarianceKind) -> Estimate:
        """The estimate of one kind."""
        return {
            CovarianceKind.PLAIN: self.plain,
            CovarianceKind.HETEROSCEDASTIC: self.heteroscedastic,
            CovarianceKind.ROBUST: self.robust,
        }[kind]


def uncertainty_at(
    problem: Problem, z: Float[np.ndarray, " free"], *, bound_tolerance: float = 1e-3
) -> Uncertainty:
    """Uncertainty of the parameters at an optimum `z`.

    A parameter within `bound_tolerance` (share of the span) of a bound is taken as known to be
    there: it has no error of its own, and the others' errors are those with it fixed.
    """
    coordinates = problem.coordinates
    values, slopes = problem.values(z), problem.slopes(z)
    at_bound = tuple(
        c.at_bound(float(v), bound_tolerance) for c, v in zip(coordinates, values, strict=True)
    )
    inside = ~np.array(at_bound, bool)
    residuals, jacobian = problem.residuals_and_jacobian(z)
    fitted = [d for d in problem.datasets if d.role is Role.FIT]
    series = [Series(problem.rows(d.name), np.asarray(d.weights)) for d in fitted]
    found = sandwich_covariances(jacobian[:, inside], residuals, series, problem.prior_rows)

    def estimate(matrix: np.ndarray, freedom: float) -> Estimate:
        spread = np.full((values.size, values.size), np.nan)
        spread[np.ix_(inside, inside)] = matrix
        errors_z = np.sqrt(np.diag(spread))
        reach = float(stdtrit(freedom, 0.5 + 0.5 * _LEVEL)) * errors_z
        ends = np.stack([_values(problem, z - reach), _values(problem, z + reach)], axis=1)
        return Estimate(
            covariance=spread * np.outer(slopes, slopes),
            standard_errors=errors_z * np.abs(slopes),
            # The sign of a slope: a falling transform turns the correlation round.
            correlation=spread
            / np.outer(errors_z, errors_z)
            * np.outer(np.sign(slopes), np.sign(slopes)),
            intervals=np.sort(ends, axis=1),
            degrees_of_freedom=freedom,
        )

    names = [d.name for d in fitted]
    return Uncertainty(
        labels=problem.labels,
        values=values,
        at_bound=at_bound,
        plain=estimate(found.plain, found.degrees_of_freedom),
        heteroscedastic=estimate(found.heteroscedastic, found.degrees_of_freedom),
        robust=estimate(found.robust, found.robust_degrees_of_freedom),
        noise_scale=found.noise_scale,
        serial_correlations=dict(zip(names, found.correlations.tolist(), strict=True)),
        effective_counts=dict(zip(names, found.effective_counts.tolist(), strict=True)),
    )


def _values(problem: Problem, z: np.ndarray) -> np.ndarray:
    """Values at coordinates that may be nan; without running the model."""
    with jax.ensure_compile_time_eval():
        return np.array(
            [
                float(c.transform.value(jnp.asarray(x)))
                for c, x in zip(problem.coordinates, z, strict=True)
            ]
        )
