"""The interface of every optimiser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Float

from gradion.fit.problem import Problem
from gradion.fit.termination import Iteration, Termination

__all__ = ["AbstractOptimiser"]

State = TypeVar("State", bound=tuple[Any, ...])


class AbstractOptimiser(ABC, Generic[State]):
    """Minimises the cost of a Problem over z, step by step.

    A concrete optimiser is a frozen dataclass of settings. Its state is a NamedTuple whose
    leaves are numpy arrays and holds everything: equal states go on alike, bit for bit, in this
    process or another one. A point where a prediction or a derivative is not finite is a failed
    trial, never an exception.
    """

    @abstractmethod
    def start(self, problem: Problem, z: Float[np.ndarray, " free"]) -> State:
        """The state at a starting point; its ending is START_NOT_FINITE if that failed."""

    @abstractmethod
    def step(self, problem: Problem, state: State) -> State:
        """The state after one more iteration."""

    @abstractmethod
    def blank(self, count: int) -> State:
        """A state of the same tree for `count` coordinates, to be filled from a file."""

    @abstractmethod
    def ending(self, state: State) -> Termination:
        """RUNNING, or how it ended."""

    @abstractmethod
    def iteration(self, state: State) -> Iteration:
        """What to tell about the latest iteration; number 0 is the start."""

    @abstractmethod
    def best(self, state: State) -> Float[np.ndarray, " free"]:
        """The best point so far."""
