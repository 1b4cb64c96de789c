"""Progress as plain lines, for files and pipes."""

from __future__ import annotations

import time
from typing import Any, final

from gradion.cli.progress.abstract_progress import AbstractProgress, Row
from gradion.cli.progress.summary_table import print_summary

__all__ = ["PlainProgress"]


@final
class PlainProgress(AbstractProgress):
    """A line for each stage, with the time since the start, and for each iteration."""

    def __init__(self, began: float) -> None:
        self._began = began  # on the clock of time.perf_counter
        self._columns: tuple[str, ...] | None = None
        self._round = 0

    def stage(self, text: str) -> None:
        print(f"[{time.perf_counter() - self._began:6.1f} s] {text}", flush=True)

    def row(self, row: Row) -> None:
        names = tuple(row.rms_mV)
        if row.round != self._round:
            self._round = row.round
            print(f"{row.round} not identifiable: held at the start, and fitted again", flush=True)
        if names != self._columns:
            self._columns = names
            heads = "".join(f"{name[:9]:>10}" for name in names)
            print(f"{'it':>4}{'cost':>13}{heads}{'|grad|':>11}{'time':>9}   (rms in mV)")
        cells = "".join(f"{rms:10.2f}" for rms in row.rms_mV.values())
        note = "" if row.accepted else "  step rejected"
        print(
            f"{row.number:4d}{row.cost:13.5g}{cells}{row.gradient_norm:11.2e}"
            f"{row.elapsed:7.1f} s{note}",
            flush=True,
        )

    def done(self, summary: dict[str, Any]) -> None:
        print_summary(summary)

    def close(self) -> None:
        """Nothing is open."""
