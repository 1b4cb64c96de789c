"""Which of the programs compared with are installed."""

from __future__ import annotations

import importlib.util

__all__ = ["NAMES", "installed", "missing"]

NAMES = ("flax", "torch")


def installed() -> list[str]:
    """Names of those that can be imported."""
    return [name for name in NAMES if importlib.util.find_spec(name) is not None]


def missing() -> list[str]:
    """Names of the others."""
    return [name for name in NAMES if name not in installed()]
