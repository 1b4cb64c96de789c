"""The error for an operation that a graph has no kind for."""

from __future__ import annotations

from typing import final

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.foundation.errors import InputError

__all__ = ["UnsupportedOperationError"]


@final
class UnsupportedOperationError(InputError):
    """A function uses an operation outside of the documented set.

    `operation` is its name, `source` the line of code that asks for it.
    """

    operation: str = ""
    source: SourceLine | None = None

    @classmethod
    def of(
        cls, operation: str, source: SourceLine | None, *, what: str = ""
    ) -> UnsupportedOperationError:
        """The error for an operation, and what about it is outside of the set."""
        text = f"the operation {operation!r} is outside of the set that a graph can hold"
        error = cls(
            f"{text}: {what}" if what else text,
            where=str(source) if source is not None else None,
            mend="docs/how-to/graph-cpp.md lists the set; write the line with operations of it",
        )
        error.operation, error.source = operation, source
        return error
