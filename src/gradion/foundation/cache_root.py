"""Where gradion keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_root"]


def cache_root() -> Path | None:
    """The folder of all of gradion's caches; it need not exist, nor be one that can be written.

    GRADION_CACHE, else `gradion` in XDG_CACHE_HOME or in ~/.cache. None for a user without a home.
    """
    named = os.environ.get("GRADION_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    root = os.environ.get("XDG_CACHE_HOME")
    if root:
        return Path(root).absolute() / "gradion"
    try:
        home = Path.home()
    except RuntimeError:
        # Not a folder of a known name among the temporary ones: anybody could put code there.
        return None
    return home / ".cache" / "gradion"
