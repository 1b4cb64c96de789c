"""A benchmark of several tables, some or all of which are made."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping, Sequence

__all__ = ["print_parts"]


def print_parts(
    parts: Mapping[str, Callable[[], None]], names: Sequence[str], *, packages: Sequence[str]
) -> None:
    """Print versions of packages, the machine, and the tables of these parts, of all if none.

    Exits with a message for a name that is no part.
    """
    unknown = set(names) - parts.keys()
    if unknown:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; parts: {', '.join(parts)}")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, report in parts.items():
        if not names or name in names:
            print()
            report()
