"""Progress as a table that grows on a terminal."""

from __future__ import annotations

from typing import Any, final

from rich.console import Console, Group
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gradion.cli.progress.abstract_progress import AbstractProgress, Row
from gradion.cli.progress.summary_table import print_summary

__all__ = ["LiveProgress"]

_SHOWN_ROWS = 15


@final
class LiveProgress(AbstractProgress):
    """The latest iterations, and what goes on now with the time that it takes so far."""

    def __init__(self) -> None:
        self._console = Console()
        self._spinner = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        )
        self._task = self._spinner.add_task("starting", total=None)
        self._rows: list[Row] = []
        self._live = Live(self._view(), console=self._console, refresh_per_second=8)
        self._live.start()

    def stage(self, text: str) -> None:
        self._spinner.reset(self._task, description=text, total=None)
        self._live.update(self._view())

    def row(self, row: Row) -> None:
        self._rows.append(row)
        self._live.update(self._view())

    def done(self, summary: dict[str, Any]) -> None:
        self.close()
        print_summary(summary)

    def close(self) -> None:
        self._spinner.update(self._task, visible=False)
        self._live.update(self._view())
        self._live.stop()

    def _view(self) -> Group:
        if not self._rows:
            return Group(self._spinner)
        table = Table(box=None, pad_edge=False, header_style="bold")
        names = tuple(self._rows[0].rms_mV)
        heads = ("held", "it", "cost", *(f"{name} [mV]" for name in names), "|grad|", "time [s]")
        for head in heads:
            table.add_column(head, justify="right")
        for row in self._rows[-_SHOWN_ROWS:]:
            table.add_row(
                str(row.round),
                str(row.number),
                f"{row.cost:.5g}",
                *(f"{row.rms_mV[name]:.2f}" if name in row.rms_mV else "" for name in names),
                f"{row.gradient_norm:.2e}",
                f"{row.elapsed:.1f}",
                style="" if row.accepted else "dim",
            )
        return Group(table, self._spinner)
