"""What a check of an operator found, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["CheckReport", "CheckRow"]


@final
@dataclass(frozen=True)
class CheckRow:
    """One comparison: what, for which case, and how it came out.

    `passed` is None where it could not be made; `note` then says why. `error` is the largest
    relative difference, None where bits are compared or nothing was.
    """

    check: str
    case: str
    passed: bool | None
    error: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """The outcome in a word or two."""
        return {True: "ok", False: "FAILED", None: "not checked"}[self.passed]

    def __str__(self) -> str:
        """Return the row on one line."""
        error = "" if self.error is None else f" (error {self.error:.1e})"
        note = f": {self.note}" if self.note else ""
        return f"{self.check}, {self.case}: {self.verdict}{error}{note}"


@final
@dataclass(frozen=True)
class CheckReport:
    """All rows of a check."""

    operator: str
    rows: tuple[CheckRow, ...]

    @property
    def passed(self) -> bool:
        """Whether no row failed; rows that could not be checked do not count."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckRow, ...]:
        """The rows that failed."""
        return tuple(row for row in self.rows if row.passed is False)

    def raise_failures(self) -> None:
        """Raise AssertionError with the failed rows, if there are any."""
        if self.failures:
            lines = "\n".join(f"  {row}" for row in self.failures)
            raise AssertionError(f"operator {self.operator!r} failed its check\n{lines}")

    def print(self) -> None:
        """Print the rows as a table."""
        # Imported here: rich is slow to import, and a check is not what a program is run for.
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table("check", "case", "verdict", "error", "note", title=escape(self.operator))
        for row in self.rows:
            style = {True: "green", False: "red", None: "yellow"}[row.passed]
            table.add_row(
                row.check,
                escape(row.case),
                f"[{style}]{row.verdict}[/{style}]",
                "" if row.error is None else f"{row.error:.1e}",
                escape(row.note),
            )
        Console().print(table)
