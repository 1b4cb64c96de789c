"""How an integration ended."""

import enum

__all__ = ["IntegrationError", "Status"]


class Status(enum.IntEnum):
    """Result of an integration; `message` says it in words."""

    COMPLETED = 0
    STOPPED_BY_EVENT = 1
    TOO_MANY_STEPS = 2
    STEP_TOO_SMALL = 3
    NO_CONSISTENT_START = 4

    @property
    def message(self) -> str:
        return _MESSAGES[self]

    @property
    def is_success(self) -> bool:
        return self in (Status.COMPLETED, Status.STOPPED_BY_EVENT)


_MESSAGES = {
    Status.COMPLETED: "reached the end time",
    Status.STOPPED_BY_EVENT: "stopped by an event",
    Status.TOO_MANY_STEPS: (
        "used up its steps before the end time; raise max_steps or loosen the tolerances"
    ),
    Status.STEP_TOO_SMALL: (
        "needed a step below round-off: the equations have no solution beyond this time, or their "
        "values are not finite there"
    ),
    Status.NO_CONSISTENT_START: (
        "found no values of the algebraic unknowns that satisfy the equations at the start of a "
        "phase"
    ),
}


class IntegrationError(RuntimeError):
    """An integration failed. `status` tells why, `t` how far it came."""

    def __init__(self, status: Status, t: float) -> None:
        super().__init__(f"integration failed at t = {t:.6g}: {status.message}")
        self.status = status
        self.t = t
