"""Where built libraries are kept."""

from __future__ import annotations

from pathlib import Path

from gradion.foundation.cache_root import cache_root

__all__ = ["cache_folder"]


def cache_folder() -> Path | None:
    """The folder of built libraries; it need not exist, nor be one that can be written.

    `extension` in `cache_root()`. None for a user without a home.
    """
    root = cache_root()
    return None if root is None else root / "extension"
