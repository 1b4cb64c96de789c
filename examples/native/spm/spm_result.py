"""What a discharge returns, and how it can end."""

import enum
from typing import NamedTuple, Self

import jax
import numpy as np
from jax import Array

__all__ = ["Discharge", "DischargeError", "Status"]


class Status(enum.IntEnum):
    """How a discharge ended; `message` says it in words. The numbers are those of the C++ code."""

    COMPLETED = 0
    CUT_OFF = 1
    TOO_MANY_STEPS = 2
    STEP_TOO_SMALL = 3
    BELOW_CUT_OFF_AT_START = 4
    OUT_OF_RANGE = 5
    NOT_FINITE = 6
    BAD_TIMES = 7

    @property
    def message(self) -> str:
        """In words."""
        return _MESSAGES[self]

    @property
    def is_success(self) -> bool:
        """Whether there are values."""
        return self in (Status.COMPLETED, Status.CUT_OFF)


_MESSAGES = {
    Status.COMPLETED: "reached the last output time",
    Status.CUT_OFF: "stopped at the cut-off voltage",
    Status.TOO_MANY_STEPS: "used up its steps; raise max_steps or loosen the tolerances",
    Status.STEP_TOO_SMALL: "needed a step below round-off, or Newton's iteration did not converge",
    Status.BELOW_CUT_OFF_AT_START: "the voltage is not above the cut-off at the start",
    Status.OUT_OF_RANGE: "a particle was empty or full at its surface before the cut-off",
    Status.NOT_FINITE: "the voltage at the start is not finite: look at the parameters",
    Status.BAD_TIMES: "expected finite times that grow, from 0 or later to more than 0",
}


class DischargeError(RuntimeError):
    """A discharge failed; `status` tells why."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"discharge failed: {status.message}")
        self.status = status


class Discharge(NamedTuple):
    """The voltages at the output times, and how the discharge ended.

    `voltage` [V] is V(min(t, t_end)), `t_end` [s] the last output time or the time of the cut-off,
    `status` a `Status` as an integer. Where it failed, voltages, end time and all derivatives
    are NaN.
    """

    voltage: Array
    t_end: Array
    status: Array
    steps: Array

    def check(self) -> Self:
        """Return self, or raise `DischargeError` if any discharge failed.

        Inside of a JAX transformation nothing can be checked, and self is returned as it is.
        """
        if not isinstance(self.status, jax.core.Tracer):
            for status in map(Status, np.ravel(self.status).tolist()):
                if not status.is_success:
                    raise DischargeError(status)
        return self
