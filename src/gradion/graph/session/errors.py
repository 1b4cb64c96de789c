"""What can be wrong with a run."""

from __future__ import annotations

from typing import final

from gradion.foundation.errors import InputError
from gradion.graph.graph import Operation, Tensor

__all__ = [
    "CheckFailedError",
    "UnfedPlaceholderError",
    "UninitializedVariableError",
    "line_of",
]


@final
class UnfedPlaceholderError(InputError):
    """A run needs a placeholder that it is not fed."""

    @classmethod
    def of(cls, tensor: Tensor) -> UnfedPlaceholderError:
        """The error for the tensor that a feed is missing for."""
        return cls(
            f"the placeholder {tensor.operation.name!r} is needed and not fed",
            where=line_of(tensor.operation),
            mend=f"feed {tensor.name!r} with {tensor.type}",
        )


@final
class UninitializedVariableError(InputError):
    """A run reads a variable that has no value in the session."""

    @classmethod
    def of(cls, variable: Operation) -> UninitializedVariableError:
        """The error for a variable."""
        return cls(
            f"the variable {variable.name!r} has no value in this session",
            where=line_of(variable),
            mend="run its initializer first (initialize_all has those of all variables), or "
            "restore values",
        )


@final
class CheckFailedError(InputError):
    """A check did not hold; the run has changed no variable."""

    @classmethod
    def of(cls, check: Operation) -> CheckFailedError:
        """The error for a check."""
        message = check.attributes["message"]
        return cls(f"{message} (the check {check.name!r})", where=line_of(check))


def line_of(operation: Operation) -> str | None:
    """The line of user code that made an operation; None if it is not known."""
    return None if operation.source is None else str(operation.source)
