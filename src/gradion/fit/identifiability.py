"""Which parameters the data can tell, and which they cannot."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from gradion.fit.coordinate import Coordinate
from gradion.fit.covariance import SMALLEST_SINGULAR, CovarianceKind
from gradion.fit.problem import Problem
from gradion.fit.uncertainty import Uncertainty

__all__ = [
    "Direction",
    "DroppedParameter",
    "Identifiability",
    "IdentifiabilityRule",
    "Verdict",
    "choose_identifiable",
    "drop",
    "identifiability_at",
    "worst_parameter",
]


@final
class Verdict(enum.Enum):
    """What the data say about a parameter, by an `IdentifiabilityRule`."""

    IDENTIFIABLE = "identifiable"
    WEAKLY = "weakly identifiable"
    NOT = "not identifiable"
    AT_BOUND = "at its bound"


@final
@dataclass(frozen=True, kw_only=True)
class IdentifiabilityRule:
    """When a parameter counts as known.

    Errors are standard errors relative to `Coordinate.change_scale`: to the value itself for a
    positive parameter, to the distance of its bounds for another. A parameter is NOT
    identifiable if its error exceeds `max_relative_error`, or if the size of a correlation with
    a parameter that is known no worse exceeds `max_correlation`; it is WEAKLY identifiable
    above the smaller limits. `kind` says whose errors are judged; correlations are those of the
    plain covariance, which tell what the data can part whatever their noise. A parameter within
    `bound_tolerance` (share of the span) of a bound is AT_BOUND; `drop_at_bound` says whether
    such a one is given up as well.

    Raises ValueError for limits that are not positive or not in order.
    """

    max_relative_error: float = 0.5
    weak_relative_error: float = 0.1
    max_correlation: float = 0.999
    weak_correlation: float = 0.98
    kind: CovarianceKind = CovarianceKind.ROBUST
    bound_tolerance: float = 1e-3
    drop_at_bound: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.weak_relative_error <= self.max_relative_error:
            raise ValueError(
                f"weak_relative_error, max_relative_error: got {self.weak_relative_error}, "
                f"{self.max_relative_error}, expected 0 < weak <= max"
            )
        if not 0.0 < self.weak_correlation <= self.max_correlation <= 1.0:
            raise ValueError(
                f"weak_correlation, max_correlation: got {self.weak_correlation}, "
                f"{self.max_correlation}, expected 0 < weak <= max <= 1"
            )
        if not 0.0 <= self.bound_tolerance < 0.5:
            raise ValueError(
                f"bound_tolerance: got {self.bound_tolerance}, expected 0 or more, below 0.5"
            )


@final
@dataclass(frozen=True)
class Direction:
    """A combination of parameters and how well the data know it.

    `composition` are (label, coefficient) of a unit vector of scaled changes, the largest
    first; `relative_error` is the plain error along it with the noise of the fit.
    """

    singular_value: float
    relative_error: float
    composition: tuple[tuple[str, float], ...]


@final
@dataclass(frozen=True, eq=False)
class Identifiability:
    """Verdicts at one point, in the order of `labels`.

    `singular_values` (falling) and `directions` (weakest first) are those of the Jacobian of
    the residuals with respect to scaled changes, priors included, parameters at a bound left
    out.
    """

    labels: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]
    relative_errors: Float[np.ndarray, " parameters"]
    singular_values: Float[np.ndarray, " inside"]
    directions: tuple[Direction, ...]


@final
@dataclass(frozen=True)
class DroppedParameter:
    """A parameter that the data cannot identify, held at its start `value`, in `unit`.

    `round` counts the fits before it was dropped; 0 is a choice before any fit.
    """

    label: str
    name: str
    unit: str
    value: float
    reason: str
    round: int
    source: str | None


def identifiability_at(
    problem: Problem,
    z: Float[np.ndarray, " free"],
    uncertainty: Uncertainty,
    rule: IdentifiabilityRule,
) -> Identifiability:
    """Judge every free parameter at an optimum `z` whose uncertainty is given."""
    scaled = _scaled_jacobian(problem, z)
    inside = ~np.array(uncertainty.at_bound, bool)
    labels = np.array(problem.labels)
    estimate = uncertainty.of(rule.kind)
    relative = estimate.standard_errors / _scales(problem, uncertainty.values)
    verdicts, reasons = [], []
    for index in range(labels.size):
        # Correlations of the plain kind: they are those of the Jacobian. A robust covariance from
        # few effective points is of low rank, and shows correlations that are not there.
        correlation = uncertainty.plain.correlation
        verdict, reason = _judge(index, problem.labels, relative, correlation, rule)
        if uncertainty.at_bound[index]:
            verdict, reason = Verdict.AT_BOUND, "ended at a bound"
        verdicts.append(verdict)
        reasons.append(reason)
    _, singular, right = np.linalg.svd(scaled[:, inside], full_matrices=False)
    floor = SMALLEST_SINGULAR * max(float(np.max(singular, initial=0.0)), 1.0)
    directions = tuple(
        Direction(
            singular_value=float(value),
            relative_error=float(uncertainty.noise_scale / max(value, floor)),
            composition=_composition(labels[inside], vector),
        )
        for value, vector in zip(singular[::-1], right[::-1], strict=True)
    )
    return Identifiability(
        labels=problem.labels,
        verdicts=tuple(verdicts),
        reasons=tuple(reasons),
        relative_errors=relative,
        singular_values=singular,
        directions=directions,
    )


def worst_parameter(
    problem: Problem,
    z: Float[np.ndarray, " free"],
    found: Identifiability,
    rule: IdentifiabilityRule,
) -> int | None:
    """Index of the free parameter to give up first, None if all may stay.

    Those at a bound go first (if the rule drops them), the least influential before others:
    they distort the rest. Of those that the data cannot tell goes the one that was named last:
    parameters are listed in the order in which they matter to whoever fits, and where two imitate
    each other, as rate constants in series do, their errors do not say which of them to keep.
    """
    at_bound = [i for i, v in enumerate(found.verdicts) if v is Verdict.AT_BOUND]
    if at_bound and rule.drop_at_bound:
        influence = np.linalg.norm(problem.residuals_and_jacobian(z)[1], axis=0)
        return min(at_bound, key=lambda i: float(influence[i]))
    lost = [i for i, v in enumerate(found.verdicts) if v is Verdict.NOT]
    return max(lost, default=None)


def choose_identifiable(
    problem: Problem,
    rule: IdentifiabilityRule | None = None,
    *,
    z: Float[np.ndarray, " free"] | None = None,
    noise_scale: float = 1.0,
) -> tuple[Problem, tuple[DroppedParameter, ...]]:
    """The problem with those parameters held that the data cannot identify at `z`.

    Works before any fit, at the start by default. Parameters are taken up one by one, each time
    the one with the most influence that those taken cannot imitate (QR with column pivoting); one
    is left out if with it any error or correlation would exceed the rule. The noise is taken
    as independent with standard deviation `noise_scale * sigma`: at the start residuals say
    nothing about it. Returns the problem and what it holds, with reasons.

    Raises InputError by way of `Problem.check_start` where predictions fail.
    """
    rule = IdentifiabilityRule() if rule is None else rule
    if z is None:
        problem.check_start()
        z = problem.z_start
    scaled = _scaled_jacobian(problem, z) / noise_scale
    coordinates = problem.coordinates
    kept: list[int] = []
    left = list(range(len(coordinates)))
    dropped: list[DroppedParameter] = []
    while left:
        index = max(left, key=lambda i: _new_influence(scaled, kept, i))
        left.remove(index)
        trial = [*kept, index]
        reason = _refusal(scaled[:, trial], [coordinates[i].label for i in trial], rule)
        if reason is None:
            kept.append(index)
        else:
            dropped.append(drop(coordinates[index], reason, 0))
    return problem.holding([d.label for d in dropped]), tuple(dropped)


def drop(coordinate: Coordinate, reason: str, fits: int) -> DroppedParameter:
    """The record of a parameter given up after so many fits."""
    return DroppedParameter(
        label=coordinate.label,
        name=coordinate.name,
        unit=coordinate.unit,
        value=coordinate.start,
        reason=reason,
        round=fits,
        source=coordinate.source,
    )


def _scales(problem: Problem, values: np.ndarray) -> np.ndarray:
    pairs = zip(problem.coordinates, values, strict=True)
    return np.array([coordinate.change_scale(float(value)) for coordinate, value in pairs])


def _scaled_jacobian(problem: Problem, z: np.ndarray) -> np.ndarray:
    """Jacobian of the residuals with respect to changes in units of `change_scale`."""
    _, jacobian = problem.residuals_and_jacobian(z)
    slopes = problem.slopes(z)
    # A saturated transform has no slope left: such a parameter is at its bound and left out.
    safe = np.where(slopes == 0.0, 1.0, slopes)
    return jacobian / safe * _scales(problem, problem.values(z))


def _judge(
    index: int,
    labels: tuple[str, ...],
    relative: np.ndarray,
    correlation: np.ndarray,
    rule: IdentifiabilityRule,
) -> tuple[Verdict, str]:
    error = float(relative[index])
    if not error <= rule.max_relative_error:
        limit = rule.max_relative_error
        return Verdict.NOT, f"its relative standard error is {error:.2g}, more than {limit:g}"
    others = np.array([i for i in range(len(labels)) if i != index], int)
    sizes = np.nan_to_num(np.abs(correlation[index, others])) if others.size else np.zeros(0)
    if sizes.size:
        closest = int(np.argmax(sizes))
        partner, size = int(others[closest]), float(sizes[closest])
        said = f"its correlation with {labels[partner]} is {correlation[index, partner]:.4f}"
        # Of two that move together only the one known worse is given up.
        if size > rule.max_correlation and error >= float(relative[partner]):
            return Verdict.NOT, said
        if size > rule.weak_correlation:
            return Verdict.WEAKLY, said
    if error > rule.weak_relative_error:
        return Verdict.WEAKLY, f"its relative standard error is {error:.2g}"
    return Verdict.IDENTIFIABLE, f"its relative standard error is {error:.2g}"


def _composition(labels: np.ndarray, vector: np.ndarray) -> tuple[tuple[str, float], ...]:
    # The sign of a direction is arbitrary: the largest coefficient is shown positive.
    order = np.argsort(-np.abs(vector), kind="stable")
    signed = vector * np.sign(vector[order[0]])
    return tuple((str(labels[i]), float(signed[i])) for i in order)


def _new_influence(scaled: np.ndarray, kept: list[int], index: int) -> float:
    """Length of a column's part that the columns kept cannot imitate."""
    column = scaled[:, index]
    if kept:
        q, _ = np.linalg.qr(scaled[:, kept])
        # Twice: once leaves round-off of the size of what was taken away.
        column = column - q @ (q.T @ column)
        column = column - q @ (q.T @ column)
    return float(np.linalg.norm(column))


def _refusal(columns: np.ndarray, labels: list[str], rule: IdentifiabilityRule) -> str | None:
    """Why the last of the columns cannot be taken up, None if it can."""
    _, singular, right = np.linalg.svd(columns, full_matrices=False)
    floor = SMALLEST_SINGULAR * max(float(singular[0]), 1.0)
    root = right.T / np.maximum(singular, floor)
    covariance = root @ root.T
    errors = np.sqrt(np.diag(covariance))
    worst = int(np.argmax(errors))
    if errors[worst] > rule.max_relative_error:
        whose = "its" if worst == len(labels) - 1 else f"with it, {labels[worst]}'s"
        limit = rule.max_relative_error
        return f"{whose} relative standard error would be {errors[worst]:.2g}, more than {limit:g}"
    if len(labels) > 1:
        correlation = np.abs(covariance[-1, :-1]) / (errors[-1] * errors[:-1])
        partner = int(np.argmax(correlation))
        if correlation[partner] > rule.max_correlation:
            return f"its correlation with {labels[partner]} would be {correlation[partner]:.4f}"
    return None
