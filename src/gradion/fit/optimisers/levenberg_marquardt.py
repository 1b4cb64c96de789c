"""Levenberg and Marquardt's method for sums of squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float, Int

from gradion.fit.optimisers.optimiser import AbstractOptimiser
from gradion.fit.optimisers.trial import limited
from gradion.fit.problem import Problem
from gradion.fit.termination import Iteration, Termination

__all__ = ["LevenbergMarquardt", "LevenbergMarquardtState"]

_DESCENT: Any = optx.DampedNewtonDescent(linear_solver=lx.QR())
# Shrink to a quarter on failure, grow fourfold where the linear model held to a quarter.
_SEARCH: Any = optx.ClassicalTrustRegion(
    high_cutoff=0.75, low_cutoff=1e-3, high_constant=4.0, low_constant=0.25
)
_NEAR = 0.2
_COUNTS = 0.01
_PATIENCE = 8
_RANK_TOLERANCE = 1e-10
# The inverse of the damping. Above the largest a step is the undamped one to round-off.
_LARGEST_REACH = 1e12


@final
class LevenbergMarquardtState(NamedTuple):
    """State of `LevenbergMarquardt`. `scale` are the largest column norms of the Jacobian so far;
    `reach` is the inverse of the damping of columns of unit norm; `recent` are the costs before
    the latest trials, the oldest first."""

    z: Float[np.ndarray, " free"]
    residuals: Float[np.ndarray, " residuals"]
    jacobian: Float[np.ndarray, "residuals free"]
    scale: Float[np.ndarray, " free"]
    reach: Float[np.ndarray, ""]
    recent: Float[np.ndarray, " patience"]
    step_norm: Float[np.ndarray, ""]
    accepted: Bool[np.ndarray, ""]
    number: Int[np.ndarray, ""]
    ending: Int[np.ndarray, ""]


@final
@dataclass(frozen=True, kw_only=True)
class LevenbergMarquardt(AbstractOptimiser[LevenbergMarquardtState]):
    """Damped Gauss-Newton steps with a trust region, on the forward-mode Jacobian.

    Ends when the relative offset of Bates and Watts (Technometrics 23, 1981, 179) is below
    `relative_offset`: the distance from the minimum, by the linear model, in units of the
    standard errors. Ends as well when the cost falls by less than `cost_rtol` of itself, by the
    linear model and in fact, or is below `cost_atol`; when a step is shorter than `step_rtol`
    of z; or after `max_iterations`. If eight trials in a row, or steps down to round-off, have
    lowered the cost by nothing that counts (1 % of the variance of a residual in all) and the
    offset is below 0.2, the end is NOISE_LIMITED: derivatives of an adaptive integration are
    those of its predictions only to its tolerance.

    Columns of the Jacobian are scaled by their largest norm so far (More, in: Numerical Analysis,
    Lecture Notes in Mathematics 630, 1978, 105), so that the units of z play no part;
    `initial_damping` is in these units.

    Steps and their acceptance are optimistix's (`DampedNewtonDescent`, `ClassicalTrustRegion`).
    Its `LevenbergMarquardt` as a whole is not used: its state holds the linearised model as a
    program, which no file can hold, and it neither scales nor limits its steps, without which a
    logit saturates.

    Raises ValueError for settings that are not positive.
    """

    max_iterations: int = 100
    relative_offset: float = 1e-4
    cost_rtol: float = 1e-8
    cost_atol: float = 1e-14
    step_rtol: float = 1e-8
    initial_damping: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("max_iterations", "cost_rtol", "step_rtol", "initial_damping"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected more than 0")

    def start(self, problem: Problem, z: Float[np.ndarray, " free"]) -> LevenbergMarquardtState:
        """See the base."""
        residuals, jacobian = problem.residuals_and_jacobian(z)
        state = self.blank(z.size)._replace(
            z=np.array(z, np.float64),
            residuals=residuals,
            jacobian=jacobian,
            scale=np.linalg.norm(jacobian, axis=0),
        )
        ending = Termination.RUNNING
        if not (np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
            ending = Termination.START_NOT_FINITE
        elif _cost(state) <= self.cost_atol:
            ending = Termination.COST_CONVERGED
        elif _offset(state) <= self.relative_offset:
            ending = Termination.GRADIENT_CONVERGED
        return state._replace(ending=np.array(int(ending)))

    def step(self, problem: Problem, state: LevenbergMarquardtState) -> LevenbergMarquardtState:
        """See the base."""
        inverse = 1.0 / np.where(state.scale > 0.0, state.scale, 1.0)
        move = np.asarray(_damped_step(state.residuals, state.jacobian * inverse, state.reach))
        move = limited(problem, move * inverse)
        z = state.z + move
        residuals, jacobian = problem.residuals_and_jacobian(z)
        predicted, reach, accept = map(
            np.asarray, _judge(move, state.residuals, state.jacobian, residuals, state.reach)
        )
        accepted = bool(accept) and bool(np.isfinite(residuals).all())
        if accepted and not np.isfinite(jacobian).all():
            accepted, reach = False, state.reach * _SEARCH.low_constant
        new = state._replace(
            reach=np.minimum(reach, _LARGEST_REACH),
            recent=np.append(state.recent[1:], _cost(state)),
            step_norm=np.array(np.linalg.norm(move)),
            accepted=np.array(accepted),
            number=state.number + 1,
        )
        if accepted:
            scale = np.maximum(state.scale, np.linalg.norm(jacobian, axis=0))
            new = new._replace(z=z, residuals=residuals, jacobian=jacobian, scale=scale)
        trial_cost = 0.5 * float(np.sum(residuals**2))
        ending = self._ending_after(state, new, move, float(predicted), trial_cost)
        return new._replace(ending=np.array(int(ending)))

    def blank(self, count: int) -> LevenbergMarquardtState:
        """See the base."""
        return LevenbergMarquardtState(
            z=np.zeros(count),
            residuals=np.zeros(0),
            jacobian=np.zeros((0, count)),
            scale=np.zeros(count),
            reach=np.array(1.0 / self.initial_damping),
            recent=np.full(_PATIENCE, np.inf),
            step_norm=np.array(0.0),
            accepted=np.array(True),
            number=np.array(0),
            ending=np.array(int(Termination.RUNNING)),
        )

    def ending(self, state: LevenbergMarquardtState) -> Termination:
        """See the base."""
        return Termination(int(state.ending))

    def iteration(self, state: LevenbergMarquardtState) -> Iteration:
        """See the base."""
        gradient = state.jacobian.T @ state.residuals if state.jacobian.size else np.array([np.nan])
        return Iteration(
            number=int(state.number),
            cost=_cost(state),
            gradient_norm=float(np.max(np.abs(gradient), initial=0.0)),
            step_norm=float(state.step_norm),
            accepted=bool(state.accepted),
            z=state.z,
        )

    def best(self, state: LevenbergMarquardtState) -> Float[np.ndarray, " free"]:
        """See the base: every step taken lowers the cost."""
        return state.z

    def _ending_after(
        self,
        old: LevenbergMarquardtState,
        new: LevenbergMarquardtState,
        move: np.ndarray,
        predicted: float,
        trial_cost: float,
    ) -> Termination:
        before = _cost(old)
        if new.accepted and (_cost(new) <= self.cost_atol):
            return Termination.COST_CONVERGED
        if new.accepted and _offset(new) <= self.relative_offset:
            return Termination.GRADIENT_CONVERGED
        small_step = np.max(np.abs(move)) <= self.step_rtol * (
            self.step_rtol + np.max(np.abs(old.z))
        )
        # A heavily damped step is short and gains little wherever it is tried: that says nothing.
        if old.reach >= 1.0 and np.isfinite(trial_cost):
            gain = abs(before - trial_cost)
            if max(-predicted, gain) <= self.cost_rtol * before:
                return Termination.COST_CONVERGED
            if small_step:
                return Termination.STEP_CONVERGED
        if small_step and not new.accepted:
            near = _offset(old) <= _NEAR
            return Termination.NOISE_LIMITED if near else Termination.NO_PROGRESS
        variance = 2.0 * _cost(new) / max(1, new.residuals.size - new.z.size)
        if new.recent[0] - _cost(new) <= _COUNTS * variance and _offset(new) <= _NEAR:
            return Termination.NOISE_LIMITED
        if int(new.number) >= self.max_iterations:
            return Termination.MAX_ITERATIONS
        return Termination.RUNNING


def _cost(state: LevenbergMarquardtState) -> float:
    return 0.5 * float(np.sum(state.residuals**2))


def _offset(state: LevenbergMarquardtState) -> float:
    """The relative offset: residuals along the columns of the Jacobian over those across."""
    norms = np.linalg.norm(state.jacobian, axis=0)
    columns = state.jacobian / np.where(norms > 0.0, norms, 1.0)
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, singular > _RANK_TOLERANCE]
    count, rank = basis.shape
    if rank == 0 or count <= rank:
        return 0.0 if rank == 0 else np.inf
    along = basis.T @ state.residuals
    across = state.residuals - basis @ along
    rest = np.linalg.norm(across) / np.sqrt(count - rank)
    return float(np.linalg.norm(along) / np.sqrt(rank) / max(rest, 1e-300))


def _linear_model(residuals: Array, jacobian: Array) -> Any:
    return optx.FunctionInfo.ResidualJac(residuals, lx.MatrixLinearOperator(jacobian))


@jax.jit
def _damped_step(
    residuals: Float[Array, " residuals"],
    jacobian: Float[Array, "residuals free"],
    reach: Float[Array, ""],
) -> Float[Array, " free"]:
    start = jnp.zeros(jacobian.shape[1])
    model = _linear_model(residuals, jacobian)
    prepared = _DESCENT.query(start, model, _DESCENT.init(start, model))
    move, _ = _DESCENT.step(reach, prepared)
    return move


@jax.jit
def _judge(
    move: Float[Array, " free"],
    residuals: Float[Array, " residuals"],
    jacobian: Float[Array, "residuals free"],
    trial: Float[Array, " residuals"],
    reach: Float[Array, ""],
) -> tuple[Array, Array, Array]:
    """Change of cost by the linear model, the reach for the next step, whether to take this."""
    model = _linear_model(residuals, jacobian)
    # Not finite: nan compares false, so that the search rejects the step and shrinks the reach.
    reached = _linear_model(trial, jacobian)
    start = jnp.zeros_like(move)
    before = _SEARCH.init(start, model)
    before = type(before)(step_size=reach)
    new_reach, accept, _, _ = _SEARCH.step(jnp.array(False), start, move, model, reached, before)
    return _SEARCH.predict_reduction(move, model), new_reach, accept
