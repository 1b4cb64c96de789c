"""How a running fit tells how far it is."""

from __future__ import annotations

import sys

from gradion.cli.progress.abstract_progress import AbstractProgress, Row
from gradion.cli.progress.json_progress import JsonProgress
from gradion.cli.progress.live_progress import LiveProgress
from gradion.cli.progress.plain_progress import PlainProgress

__all__ = [
    "AbstractProgress",
    "JsonProgress",
    "LiveProgress",
    "PlainProgress",
    "Row",
    "choose_progress",
]


def choose_progress(*, as_json: bool, began: float) -> AbstractProgress:
    """JSON lines if asked for, else a live table on a terminal and plain lines elsewhere.

    `began` is when the command did, on the clock of time.perf_counter.
    """
    if as_json:
        return JsonProgress()
    return LiveProgress() if sys.stdout.isatty() else PlainProgress(began)
