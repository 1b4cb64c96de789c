"""Adam: gradient descent with adapted steps."""

from __future__ import annotations

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

__all__ = ["Adam", "AdamState"]

_SMALLEST_RATE = 1e-12


@final
class AdamState(NamedTuple):
    """State of `Adam`; `moments` is optax's, with numpy arrays. `stale` counts the iterations
    since the best cost last fell noticeably."""

    z: Float[np.ndarray, " free"]
    cost: Float[np.ndarray, ""]
    gradient: Float[np.ndarray, " free"]
    moments: Any
    rate: Float[np.ndarray, ""]
    best_z: Float[np.ndarray, " free"]
    best_cost: Float[np.ndarray, ""]
    stale: Int[np.ndarray, ""]
    step_norm: Float[np.ndarray, ""]
    accepted: Bool[np.ndarray, ""]
    number: Int[np.ndarray, ""]
    ending: Int[np.ndarray, ""]


@final
@dataclass(frozen=True, kw_only=True)
class Adam(AbstractOptimiser[AdamState]):
    """First-order steps on the reverse-mode gradient (optax's `scale_by_adam`).

    The cost may rise on the way; the best point is kept. A step to a point that is not finite
    is not taken and halves the rate. Ends when the best cost has not fallen by `cost_rtol` of
    itself for `patience` iterations, when it is below `cost_atol`, or after `max_iterations`.

    Raises ValueError for settings that are not positive.
    """

    learning_rate: float = 0.05
    max_iterations: int = 2000
    cost_rtol: float = 1e-8
    cost_atol: float = 1e-14
    patience: int = 100

    def __post_init__(self) -> None:
        for name in ("learning_rate", "max_iterations", "cost_rtol", "patience"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected more than 0")

    def start(self, problem: Problem, z: Float[np.ndarray, " free"]) -> AdamState:
        """See the base."""
        cost, gradient = problem.value_and_gradient(z)
        finite = np.isfinite(cost) and bool(np.isfinite(gradient).all())
        ending = Termination.RUNNING if finite else Termination.START_NOT_FINITE
        start = np.array(z, np.float64)
        return self.blank(z.size)._replace(
            z=start,
            cost=np.array(cost),
            gradient=gradient,
            best_z=start,
            best_cost=np.array(cost),
            ending=np.array(int(ending)),
        )

    def step(self, problem: Problem, state: AdamState) -> AdamState:
        """See the base."""
        scaled, moments = _scaled(state.gradient, state.moments)
        move = limited(problem, -float(state.rate) * np.asarray(scaled))
        cost, gradient = problem.value_and_gradient(state.z + move)
        accepted = bool(np.isfinite(cost)) and bool(np.isfinite(gradient).all())
        new = state._replace(
            step_norm=np.array(np.linalg.norm(move)),
            accepted=np.array(accepted),
            number=state.number + 1,
        )
        if accepted:
            new = new._replace(
                z=state.z + move,
                cost=np.array(cost),
                gradient=gradient,
                moments=jax.tree.map(np.asarray, moments),
            )
        else:
            new = new._replace(rate=0.5 * state.rate)
        fell = accepted and cost < state.best_cost * (1.0 - self.cost_rtol)
        if accepted and cost < state.best_cost:
            new = new._replace(best_z=new.z, best_cost=new.cost)
        new = new._replace(stale=np.array(0) if fell else state.stale + 1)
        return new._replace(ending=np.array(int(self._ending_after(new))))

    def blank(self, count: int) -> AdamState:
        """See the base."""
        return AdamState(
            z=np.zeros(count),
            cost=np.array(np.nan),
            gradient=np.full(count, np.nan),
            moments=jax.tree.map(np.asarray, optax.scale_by_adam().init(np.zeros(count))),
            rate=np.array(self.learning_rate),
            best_z=np.zeros(count),
            best_cost=np.array(np.nan),
            stale=np.array(0),
            step_norm=np.array(0.0),
            accepted=np.array(True),
            number=np.array(0),
            ending=np.array(int(Termination.RUNNING)),
        )

    def ending(self, state: AdamState) -> Termination:
        """See the base."""
        return Termination(int(state.ending))

    def iteration(self, state: AdamState) -> Iteration:
        """See the base."""
        return Iteration(
            number=int(state.number),
            cost=float(state.cost),
            gradient_norm=float(np.max(np.abs(state.gradient))),
            step_norm=float(state.step_norm),
            accepted=bool(state.accepted),
            z=state.z,
        )

    def best(self, state: AdamState) -> Float[np.ndarray, " free"]:
        """See the base."""
        return state.best_z

    def _ending_after(self, state: AdamState) -> Termination:
        if state.best_cost <= self.cost_atol or state.stale >= self.patience:
            return Termination.COST_CONVERGED
        if state.rate < _SMALLEST_RATE:
            return Termination.NO_PROGRESS
        if int(state.number) >= self.max_iterations:
            return Termination.MAX_ITERATIONS
        return Termination.RUNNING


@jax.jit
def _scaled(gradient: Array, moments: Any) -> tuple[Array, Any]:
    return optax.scale_by_adam().update(gradient, moments)
