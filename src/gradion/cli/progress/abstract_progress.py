"""What every form of progress offers."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import Any, NamedTuple, Self

__all__ = ["AbstractProgress", "Row"]


class Row(NamedTuple):
    """One iteration, as it is shown."""

    number: int
    cost: float
    rms_mV: dict[str, float]  # of each voltage curve, by its name
    gradient_norm: float
    accepted: bool
    elapsed: float  # [s]
    round: int  # how many parameters were held by then


class AbstractProgress(abc.ABC):
    """Shows the stages of a command and the iterations of a fit; a context manager."""

    @abc.abstractmethod
    def stage(self, text: str) -> None:
        """Say what begins now."""

    @abc.abstractmethod
    def row(self, row: Row) -> None:
        """Show an iteration."""

    @abc.abstractmethod
    def done(self, summary: dict[str, Any]) -> None:
        """Show the result."""

    @abc.abstractmethod
    def close(self) -> None:
        """Leave the terminal as it was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
