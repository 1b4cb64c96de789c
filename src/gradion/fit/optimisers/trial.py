"""What all optimisers do to a step before it is tried."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gradion.fit.problem import Problem

__all__ = ["limited"]


def limited(problem: Problem, move: Float[np.ndarray, " free"]) -> Float[np.ndarray, " free"]:
    """The step shortened, in its direction, to the limits of every transform."""
    limits = np.array([c.transform.step_limit() for c in problem.coordinates])
    return move / max(1.0, float(np.max(np.abs(move) / limits, initial=0.0)))
