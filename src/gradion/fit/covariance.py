"""Covariance of least-squares estimates, with errors independent or correlated in series.

All are sandwiches `A^-1 B A^-1` with `A = J^T J` over data and priors. They differ in B, the
variance of the gradient `sum_i u_i` with the scores `u_i = r_i J_i`:

- plain: `s^2 J_d^T J_d`, errors independent with variance `s^2 sigma^2 / w`; without priors this
  is the textbook's `s^2 (J^T J)^-1`, with `s^2 = sum r^2 / (n - p)`;
- heteroscedastic: `sum u_i u_i^T n / (n - p)` (White, Econometrica 48, 1980, 817): independent,
  with any variances;
- robust: any variances and correlated in series, data set by data set; see gradion.fit.series.

A prior counts as a measurement with unit variance of its row: it adds `J_p^T J_p` to B.

With the singular value decomposition `J = U S V^T` this is `V S^-1 B' S^-1 V^T`, where B' is B
with U for J. Computed so, a direction that no row determines comes out with its huge variance:
in terms of J both B and `A^-1` would be round-off there.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from gradion.fit.series import analyse_series

__all__ = ["SMALLEST_SINGULAR", "Covariances", "CovarianceKind", "Series", "sandwich_covariances"]

SMALLEST_SINGULAR = 1e-10
"""Singular values below this share of the largest count as this share: far above round-off, so
that what a direction without any information spills into others stays small."""

# The quantile of t: with fewer degrees of freedom it grows beyond any use.
_LEAST_FREEDOM = 2.0


@final
class CovarianceKind(enum.Enum):
    """Which errors are allowed for (see the module)."""

    PLAIN = "plain"
    HETEROSCEDASTIC = "heteroscedastic"
    ROBUST = "autocorrelation-robust"


@final
class Series(NamedTuple):
    """Where the rows of one data set stand, in order of measurement, and their weights."""

    rows: slice
    weights: Float[np.ndarray, " points"]


@final
class Covariances(NamedTuple):
    """Covariance matrices [parameters, parameters] and what they rest on.

    `noise_scale` is s; `leverage` the number p of parameters that the data (not the priors)
    determine. `correlations` (of neighbours one mean spacing apart) and `effective_counts` have
    one entry a series. The degrees of freedom of the robust kind count effective points.
    """

    plain: Float[np.ndarray, "parameters parameters"]
    heteroscedastic: Float[np.ndarray, "parameters parameters"]
    robust: Float[np.ndarray, "parameters parameters"]
    noise_scale: float
    leverage: float
    degrees_of_freedom: float
    robust_degrees_of_freedom: float
    correlations: Float[np.ndarray, " series"]
    effective_counts: Float[np.ndarray, " series"]


def sandwich_covariances(
    jacobian: Float[np.ndarray, "rows parameters"],
    residuals: Float[np.ndarray, " rows"],
    series: Sequence[Series],
    priors: slice,
) -> Covariances:
    """All kinds of covariance from residuals and Jacobian at the optimum.

    Rows of weight 0 count nowhere. A direction that no row determines gets a variance that is
    huge but finite. Without more points than parameters the result is nan.
    """
    used = [s.rows.start + np.flatnonzero(s.weights > 0.0) for s in series]
    data = np.concatenate(used)
    basis, spread = _decomposed(jacobian, np.concatenate([data, np.arange(residuals.size)[priors]]))
    leverage = float(np.sum(basis[: data.size] ** 2))
    from_priors = basis[data.size :].T @ basis[data.size :]
    n = data.size
    freedom = n - leverage
    # At zero degrees of freedom, up to round-off, there is no estimate of the noise.
    spare = freedom if freedom > 1e-6 * n else np.nan
    s2 = float(np.sum(residuals[data] ** 2) / spare)
    parts = np.split(basis[:n], np.cumsum([rows.size for rows in used])[:-1])
    found = [
        analyse_series(part, residuals[rows], s.weights[s.weights > 0.0])
        for s, rows, part in zip(series, used, parts, strict=True)
    ]
    counts = np.array([f.effective_count for f in found])
    scores = basis[:n] * residuals[data, None]

    def sandwich(middle: np.ndarray) -> np.ndarray:
        if not np.isfinite(middle).all():
            return np.full_like(middle, np.nan)
        # By a root of the middle: a variance is then a sum of squares, never below 0.
        squares, axes = np.linalg.eigh(middle + from_priors)
        root = spread @ (axes * np.sqrt(np.maximum(squares, 0.0)))
        return root @ root.T

    return Covariances(
        plain=sandwich(s2 * (basis[:n].T @ basis[:n])),
        heteroscedastic=sandwich(scores.T @ scores * n / spare),
        robust=sandwich(np.sum([f.meat for f in found], axis=0) * n / spare),
        noise_scale=float(np.sqrt(s2)),
        leverage=leverage,
        degrees_of_freedom=max(freedom, _LEAST_FREEDOM),
        robust_degrees_of_freedom=max(min(n, counts.sum()) - leverage, _LEAST_FREEDOM),
        correlations=np.array([f.correlation for f in found]),
        effective_counts=counts,
    )


def _decomposed(jacobian: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U and `V S^-1` of the chosen rows; the columns are scaled on the way."""
    rows = jacobian[chosen]
    norms = np.linalg.norm(rows, axis=0)
    norms = np.where(norms > 0.0, norms, 1.0)
    left, singular, right = np.linalg.svd(rows / norms, full_matrices=False)
    largest = max(float(np.max(singular, initial=0.0)), 1.0)
    kept = np.maximum(singular, SMALLEST_SINGULAR * largest)
    return left, (right.T / kept) / norms[:, None]
