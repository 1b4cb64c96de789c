"""The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from gradion.fit.optimisers.optimiser import AbstractOptimiser
from gradion.fit.optimisers.trial import limited
from gradion.fit.problem import Problem
from gradion.fit.termination import Iteration, Termination

__all__ = ["LBFGS", "LBFGSState"]

# Weak Wolfe conditions with the usual constants (Nocedal and Wright, Numerical Optimization, 2nd
# edition, 2006, section 3.1).
_DECREASE, _CURVATURE = 1e-4, 0.9
_TRIALS = 30


@final
class LBFGSState(NamedTuple):
    """State of `LBFGS`; `memory` is optax's, with numpy arrays."""

    z: Float[np.ndarray, " free"]
    cost: Float[np.ndarray, ""]
    gradient: Float[np.ndarray, " free"]
    memory: Any
    step_norm: Float[np.ndarray, ""]
    accepted: Bool[np.ndarray, ""]
    number: Int[np.ndarray, ""]
    ending: Int[np.ndarray, ""]


@final
@dataclass(frozen=True, kw_only=True)
class LBFGS(AbstractOptimiser[LBFGSState]):
    """Quasi-Newton steps on the reverse-mode gradient, for many parameters.

    Directions are optax's (`scale_by_lbfgs`, with `memory` pairs); the line search bisects for
    the weak Wolfe conditions (Lewis and Overton, Mathematical Programming 141, 2013, 135) and
    takes a point that is not finite as too far. Ends when the cost falls by less than
    `cost_rtol` of itself or is below `cost_atol`, when no entry of the gradient exceeds
    `gradient_tolerance` times the cost, or after `max_iterations`.

    Raises ValueError for settings that are not positive.
    """

    max_iterations: int = 200
    cost_rtol: float = 1e-10
    cost_atol: float = 1e-14
    gradient_tolerance: float = 1e-8
    memory: int = 10

    def __post_init__(self) -> None:
        for name in ("max_iterations", "cost_rtol", "memory"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected more than 0")

    def start(self, problem: Problem, z: Float[np.ndarray, " free"]) -> LBFGSState:
        """See the base."""
        cost, gradient = problem.value_and_gradient(z)
        finite = np.isfinite(cost) and np.isfinite(gradient).all()
        ending = Termination.RUNNING if finite else Termination.START_NOT_FINITE
        if finite and np.max(np.abs(gradient)) <= self.gradient_tolerance * cost:
            ending = Termination.GRADIENT_CONVERGED
        return self.blank(z.size)._replace(
            z=np.array(z, np.float64),
            cost=np.array(cost),
            gradient=gradient,
            ending=np.array(int(ending)),
        )

    def step(self, problem: Problem, state: LBFGSState) -> LBFGSState:
        """See the base."""
        direction, memory = self._direction(state)
        if not direction @ state.gradient < 0.0:
            # Rounded pairs can spoil the model: begin again with the steepest descent.
            fresh = state._replace(memory=self.blank(state.z.size).memory)
            direction, memory = self._direction(fresh)
        direction = limited(problem, direction)
        length, cost, gradient = _line_search(problem, state, direction)
        accepted = length > 0.0
        new = state._replace(
            z=state.z + length * direction,
            cost=np.array(cost),
            gradient=gradient,
            memory=memory,
            step_norm=np.array(length * np.linalg.norm(direction)),
            accepted=np.array(accepted),
            number=state.number + 1,
        )
        expected = -0.5 * float(direction @ state.gradient)
        return new._replace(ending=np.array(int(self._ending_after(state, new, expected))))

    def blank(self, count: int) -> LBFGSState:
        """See the base."""
        memory = optax.scale_by_lbfgs(memory_size=self.memory).init(np.zeros(count))
        return LBFGSState(
            z=np.zeros(count),
            cost=np.array(np.nan),
            gradient=np.full(count, np.nan),
            memory=jax.tree.map(np.asarray, memory),
            step_norm=np.array(0.0),
            accepted=np.array(True),
            number=np.array(0),
            ending=np.array(int(Termination.RUNNING)),
        )

    def ending(self, state: LBFGSState) -> Termination:
        """See the base."""
        return Termination(int(state.ending))

    def iteration(self, state: LBFGSState) -> Iteration:
        """See the base."""
        return Iteration(
            number=int(state.number),
            cost=float(state.cost),
            gradient_norm=float(np.max(np.abs(state.gradient))),
            step_norm=float(state.step_norm),
            accepted=bool(state.accepted),
            z=state.z,
        )

    def best(self, state: LBFGSState) -> Float[np.ndarray, " free"]:
        """See the base: every step taken lowers the cost."""
        return state.z

    def _direction(self, state: LBFGSState) -> tuple[np.ndarray, Any]:
        ascent, memory = _ascent(self.memory, state.gradient, state.memory, state.z)
        return -np.asarray(ascent), jax.tree.map(np.asarray, memory)

    def _ending_after(self, old: LBFGSState, new: LBFGSState, expected: float) -> Termination:
        if new.cost <= self.cost_atol:
            return Termination.COST_CONVERGED
        if np.max(np.abs(new.gradient)) <= self.gradient_tolerance * new.cost:
            return Termination.GRADIENT_CONVERGED
        if max(float(old.cost - new.cost), expected) <= self.cost_rtol * old.cost:
            return Termination.COST_CONVERGED
        if not new.accepted:
            return Termination.NO_PROGRESS
        if int(new.number) >= self.max_iterations:
            return Termination.MAX_ITERATIONS
        return Termination.RUNNING


@functools.partial(jax.jit, static_argnums=0)
def _ascent(size: int, gradient: Array, memory: Any, z: Array) -> tuple[Array, Any]:
    return optax.scale_by_lbfgs(memory_size=size).update(gradient, memory, z)


def _line_search(
    problem: Problem, state: LBFGSState, direction: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Length, cost and gradient of a point that satisfies the weak Wolfe conditions.

    Failing that, of the best point seen that lowers the cost; length 0 if there is none.
    """
    slope = float(direction @ state.gradient)
    low, high, length = 0.0, np.inf, 1.0
    best = (0.0, float(state.cost), state.gradient)
    for _ in range(_TRIALS):
        cost, gradient = problem.value_and_gradient(state.z + length * direction)
        finite = np.isfinite(cost) and bool(np.isfinite(gradient).all())
        if not finite or cost > state.cost + _DECREASE * length * slope:
            high = length
        else:
            if cost < best[1]:
                best = (length, cost, gradient)
            if float(direction @ gradient) >= _CURVATURE * slope:
                return (length, cost, gradient)
            low = length
            # Limits of the transforms hold for the step as a whole.
            farther = limited(problem, 2.0 * low * direction)
            if np.max(np.abs(farther)) <= np.max(np.abs(low * direction)) * (1.0 + 1e-12):
                return best
        length = 0.5 * (low + high) if np.isfinite(high) else 2.0 * low
    return best
