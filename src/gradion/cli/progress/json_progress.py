"""Progress as JSON lines, for programs."""

from __future__ import annotations

import json
import math
from typing import Any, final

from gradion.cli.progress.abstract_progress import AbstractProgress, Row

__all__ = ["JsonProgress"]


@final
class JsonProgress(AbstractProgress):
    """One JSON object a line on standard output, each with the key `event`."""

    def stage(self, text: str) -> None:
        self._print({"event": "stage", "text": text})

    def row(self, row: Row) -> None:
        self._print({"event": "iteration", **row._asdict()})

    def done(self, summary: dict[str, Any]) -> None:
        self._print({"event": "result", **summary})

    def close(self) -> None:
        """Nothing is open."""

    @staticmethod
    def _print(event: dict[str, Any]) -> None:
        print(json.dumps(_finite(event), allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    """JSON knows no nan: null stands for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
