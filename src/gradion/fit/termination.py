"""How a fit ended, and how it went on the way."""

from __future__ import annotations

import enum
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

__all__ = ["FitError", "Iteration", "Termination"]


@final
class Termination(enum.IntEnum):
    """Result of an optimisation; `message` says it in words."""

    RUNNING = 0
    COST_CONVERGED = 1
    STEP_CONVERGED = 2
    GRADIENT_CONVERGED = 3
    MAX_ITERATIONS = 4
    NO_PROGRESS = 5
    START_NOT_FINITE = 6
    NOISE_LIMITED = 7

    @property
    def message(self) -> str:
        """The result in words."""
        return _MESSAGES[self]

    @property
    def is_success(self) -> bool:
        """Whether a minimum was found, to the tolerances or to the noise of the predictions."""
        return self in (
            Termination.COST_CONVERGED,
            Termination.STEP_CONVERGED,
            Termination.GRADIENT_CONVERGED,
            Termination.NOISE_LIMITED,
        )


_MESSAGES = {
    Termination.RUNNING: "still running",
    Termination.COST_CONVERGED: "the cost no longer falls by more than its tolerance",
    Termination.STEP_CONVERGED: "the steps are smaller than their tolerance",
    Termination.GRADIENT_CONVERGED: "the gradient is smaller than its tolerance",
    Termination.MAX_ITERATIONS: (
        "used up its iterations before it converged; raise max_iterations or start elsewhere"
    ),
    Termination.NO_PROGRESS: (
        "no step in the direction of descent lowers the cost: the predictions are not smooth "
        "enough, or not finite close by"
    ),
    Termination.NOISE_LIMITED: (
        "no step lowers the cost by anything that counts: within a fifth of a standard error the "
        "minimum is reached, closer than the noise of the predictions can tell"
    ),
    Termination.START_NOT_FINITE: "the predictions at the start are not finite",
}


class FitError(RuntimeError):
    """A fit cannot begin or go on; the message names the data set."""


@final
class Iteration(NamedTuple):
    """One iteration of an optimiser: one trial point, taken or not.

    `cost`, `gradient_norm` (largest entry by size) and `z` belong to the point that holds after
    the iteration; `step_norm` is the Euclidean length of the step tried, in z. `start` counts
    the starting points of a multi-start, `round` the refits after parameters were dropped.
    """

    number: int
    cost: float
    gradient_norm: float
    step_norm: float
    accepted: bool
    z: Float[np.ndarray, " parameters"]
    start: int = 0
    round: int = 0
