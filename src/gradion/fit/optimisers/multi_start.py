"""Several starts, the best of which is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jaxtyping import Float, Int

from gradion.fit.optimisers.optimiser import AbstractOptimiser
from gradion.fit.problem import Problem
from gradion.fit.termination import Iteration, Termination

__all__ = ["MultiStart", "MultiStartState"]


@final
class MultiStartState(NamedTuple):
    """State of `MultiStart`. Row k of `ends`, `costs`, `endings` belongs to start k; the cost of
    one that is not done, or failed, is infinite."""

    starts: Float[np.ndarray, "starts free"]
    ends: Float[np.ndarray, "starts free"]
    costs: Float[np.ndarray, " starts"]
    endings: Int[np.ndarray, " starts"]
    current: Int[np.ndarray, ""]
    number: Int[np.ndarray, ""]
    inner: Any


@final
@dataclass(frozen=True, eq=False)
class MultiStart(AbstractOptimiser[MultiStartState]):
    """Runs `inner` from the problem's own start and from `starts - 1` scattered ones.

    They lie on a Latin hypercube drawn with `key` (a JAX random key): uniform between finite
    bounds, in the logarithm where the transform is; otherwise spread about the start
    (`AbstractTransform.scattered`). A start that fails is passed over and stands in `endings`.

    Raises ValueError for fewer than 2 starts.
    """

    inner: AbstractOptimiser[Any]
    starts: int
    key: jax.Array

    def __post_init__(self) -> None:
        if not self.starts >= 2:
            raise ValueError(f"starts: got {self.starts}, expected 2 or more")

    def start(self, problem: Problem, z: Float[np.ndarray, " free"]) -> MultiStartState:
        """See the base."""
        starts = np.concatenate([z[None], self._scattered(problem)])
        state = self.blank(z.size)._replace(
            starts=starts, ends=starts.copy(), inner=self.inner.start(problem, z)
        )
        return self._passed_on(problem, state)

    def step(self, problem: Problem, state: MultiStartState) -> MultiStartState:
        """See the base."""
        inner = self.inner.step(problem, state.inner)
        return self._passed_on(problem, state._replace(inner=inner, number=state.number + 1))

    def blank(self, count: int) -> MultiStartState:
        """See the base."""
        return MultiStartState(
            starts=np.zeros((self.starts, count)),
            ends=np.zeros((self.starts, count)),
            costs=np.full(self.starts, np.inf),
            endings=np.full(self.starts, int(Termination.RUNNING)),
            current=np.array(0),
            number=np.array(0),
            inner=self.inner.blank(count),
        )

    def ending(self, state: MultiStartState) -> Termination:
        """RUNNING, or how the best start ended."""
        if (state.endings == int(Termination.RUNNING)).any():
            return Termination.RUNNING
        return Termination(int(state.endings[int(np.argmin(state.costs))]))

    def iteration(self, state: MultiStartState) -> Iteration:
        """See the base."""
        inner = self.inner.iteration(state.inner)
        return inner._replace(number=int(state.number), start=int(state.current))

    def best(self, state: MultiStartState) -> Float[np.ndarray, " free"]:
        """See the base; of the starts that are done."""
        return state.ends[int(np.argmin(state.costs))]

    def _passed_on(self, problem: Problem, state: MultiStartState) -> MultiStartState:
        """Note the inner optimiser's end, if it has ended, and begin with the next start."""
        ending = self.inner.ending(state.inner)
        while ending is not Termination.RUNNING:
            k = int(state.current)
            ends, costs, endings = state.ends.copy(), state.costs.copy(), state.endings.copy()
            endings[k] = int(ending)
            if ending is not Termination.START_NOT_FINITE:
                ends[k] = self.inner.best(state.inner)
                costs[k] = problem.cost(ends[k])
            state = state._replace(ends=ends, costs=costs, endings=endings)
            if k + 1 == self.starts:
                return state
            inner = self.inner.start(problem, state.starts[k + 1])
            state = state._replace(current=np.array(k + 1), inner=inner)
            ending = self.inner.ending(inner)
        return state

    def _scattered(self, problem: Problem) -> np.ndarray:
        coordinates = problem.coordinates
        count = self.starts - 1
        order_key, jitter_key = jax.random.split(self.key)
        jitter = np.asarray(jax.random.uniform(jitter_key, (count, len(coordinates))))
        columns = []
        for j, coordinate in enumerate(coordinates):
            order = np.asarray(jax.random.permutation(jax.random.fold_in(order_key, j), count))
            # A uniform number may be 0, where a logit is infinite.
            fractions = np.clip((order + jitter[:, j]) / count, 1e-6, 1.0 - 1e-6)
            transform = coordinate.transform
            columns.append([transform.scattered(float(u), coordinate.start) for u in fractions])
        return np.array(columns, np.float64).T
