"""Variance of a sum of scores whose errors are correlated in series.

Newey and West's estimator with Bartlett's kernel (Econometrica 55, 1987, 703), prewhitened
(Andrews and Monahan, Econometrica 60, 1992, 953), in a form that also holds for points spread
unevenly. The residuals `e` (of weight 1) are taken as a stationary process with correlation
`rho^|t - t'|`, `e = L eps`; the sum of the scores `sum_i w_i e_i g_i` is then, to the last digit,
`sum_i eps_i c_i` with `c = L^T (w g)`. The terms `eps_i c_i` are nearly uncorrelated if the
process is roughly right; what correlation is left between them, the kernel catches. Its width
is Andrews' automatic one for it, `1.1447 (alpha n)^(1/3)` with alpha from first-order
autoregressions of the terms (Econometrica 59, 1991, 817, equations 6.2 and 6.4).

The clock t is the running sum of the weights: the index for equal weights, and time in units of
the mean spacing for the weights of a quadrature in time.

`rho` is the restricted-likelihood estimate (Patterson and Thompson, Biometrika 58, 1971, 545),
which knows that the residuals have lost what the parameters could follow. The plain estimate
comes out too small, and with it every standard error: at 140 points with rho = 0.9 they are 59 %
of the truth on average without prewhitening and 93 to 98 % with it (two parameters).
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

__all__ = ["SeriesAnalysis", "analyse_series", "kernel_width", "serial_correlation"]

_CORRELATIONS = np.concatenate([np.linspace(0.0, 0.98, 50), [0.99]])
_RANK_TOLERANCE = 1e-10
# The autoregressions of the terms themselves are kept away from 1, where alpha explodes.
_LARGEST_REMAINDER = 0.97
_BLOCK = 1024


@final
class SeriesAnalysis(NamedTuple):
    """Estimated variance of the sum of scores, without correction for degrees of freedom.

    `correlation` is that of errors one mean spacing apart; `effective_count` the number of
    independent points whose mean would be as well known as the weighted mean of these.
    """

    meat: Float[np.ndarray, "parameters parameters"]
    correlation: float
    effective_count: float


def analyse_series(
    jacobian: Float[np.ndarray, "points parameters"],
    residuals: Float[np.ndarray, " points"],
    weights: Float[np.ndarray, " points"],
) -> SeriesAnalysis:
    """Analyse one data set, in order of measurement; rows contain the root of their weight."""
    root = np.sqrt(weights)
    rates, errors = jacobian / root[:, None], residuals / root
    clock = np.cumsum(weights) - 0.5 * weights
    rho = serial_correlation(clock, errors, rates)
    decay = rho ** np.diff(clock)
    innovations = _whitened(decay, errors[:, None])[:, 0]
    influence = _gathered(decay, np.column_stack([weights[:, None] * rates, weights]))
    terms = innovations[:, None] * influence[:, :-1]
    effective = float(np.sum(weights) ** 2 / np.sum(influence[:, -1] ** 2))
    return SeriesAnalysis(
        meat=_kernel_product(terms, kernel_width(terms)),
        correlation=rho,
        effective_count=min(effective, float(weights.size)),
    )


def serial_correlation(
    clock: Float[np.ndarray, " points"],
    errors: Float[np.ndarray, " points"],
    rates: Float[np.ndarray, "points parameters"],
) -> float:
    """Correlation over one unit of the clock, 0 to 0.99: the likeliest of a grid.

    `errors` are residuals of a fit with derivatives `rates`; the likelihood is the restricted
    one. 0 if there are hardly more points than parameters.
    """
    gaps = np.diff(clock)
    norms = np.linalg.norm(rates, axis=0)
    columns = rates[:, norms > 0.0] / norms[norms > 0.0]
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, singular > _RANK_TOLERANCE * max(float(np.max(singular, initial=0.0)), 1e-300)]
    freedom = errors.size - basis.shape[1]
    if freedom < 3 or not np.any(errors):
        return 0.0
    best = (np.inf, 0.0)
    for rho in _CORRELATIONS:
        decay = rho**gaps
        both = _whitened(decay, np.column_stack([basis, errors]))
        q, r = np.linalg.qr(both[:, :-1])
        rest = both[:, -1] - q @ (q.T @ both[:, -1])
        surprise = (
            freedom * np.log(max(float(rest @ rest), 1e-300))
            + float(np.sum(np.log1p(-(decay**2))))
            + 2.0 * float(np.sum(np.log(np.abs(np.diag(r)))))
        )
        best = min(best, (surprise, float(rho)))
    return best[1]


def kernel_width(terms: Float[np.ndarray, "points parameters"]) -> float:
    """Andrews' automatic width of Bartlett's kernel in points, 1 (no neighbours) to n / 2."""
    n = terms.shape[0]
    size = np.sum(terms**2, axis=0)
    # Every column counts alike; one that is zero throughout says nothing.
    columns = terms[:, size > 0.0] / np.sqrt(size[size > 0.0])
    if n < 3 or columns.shape[1] == 0:
        return 1.0
    rho = np.sum(columns[1:] * columns[:-1], axis=0)
    rho = np.clip(rho, -_LARGEST_REMAINDER, _LARGEST_REMAINDER)
    # Each column has unit variance, its innovations therefore 1 - rho^2.
    fourth = (1.0 - rho**2) ** 2
    top = np.sum(4.0 * rho**2 * fourth / ((1.0 - rho) ** 6 * (1.0 + rho) ** 2))
    bottom = np.sum(fourth / (1.0 - rho) ** 4)
    return float(np.clip(1.1447 * (top / bottom * n) ** (1.0 / 3.0), 1.0, max(1.0, n / 2)))


def _whitened(decay: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`L^-1` times the columns."""
    out = columns.copy()
    change = columns[1:] - decay[:, None] * columns[:-1]
    out[1:] = change / np.sqrt(1.0 - decay[:, None] ** 2)
    return out


def _gathered(decay: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`L^T` times the columns: what each innovation moves, through all later points."""
    out = columns.copy()
    for i in range(decay.size - 1, -1, -1):
        out[i] += decay[i] * out[i + 1]
    out[1:] *= np.sqrt(1.0 - decay[:, None] ** 2)
    return out


def _kernel_product(terms: np.ndarray, width: float) -> np.ndarray:
    """`sum_ij K(i - j) u_i u_j^T` with Bartlett's kernel of that width; never negative."""
    index = np.arange(terms.shape[0])
    total = np.zeros((terms.shape[1], terms.shape[1]))
    for first in range(0, index.size, _BLOCK):
        block = slice(first, first + _BLOCK)
        lag = np.abs(index[block, None] - index[None, :])
        total += terms[block].T @ (np.maximum(0.0, 1.0 - lag / width) @ terms)
    return 0.5 * (total + total.T)
