"""Where built libraries are kept."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path | None:
    """The folder of built libraries; it need not exist, nor be one that can be written.

    `extension` in GRADION_CACHE, which also moves what commands keep, else in `gradion` in
    XDG_CACHE_HOME or in ~/.cache. None for a user without a home.
    """
    named = os.environ.get("GRADION_CACHE")
    if named:
        return Path(named).expanduser().absolute() / "extension"
    root = os.environ.get("XDG_CACHE_HOME")
    if root:
        return Path(root).absolute() / "gradion" / "extension"
    try:
        home = Path.home()
    except RuntimeError:
        # Not a folder of a known name among the temporary ones: anybody could put a library there.
        return None
    return home / ".cache" / "gradion" / "extension"
