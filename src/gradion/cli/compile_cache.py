"""Compiled programs kept on disk, so that the second run of a command is quick."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder", "cache_size", "switch_on_cache"]


def cache_folder() -> Path:
    """Where compiled programs are kept.

    GRADION_CACHE if set, else `gradion` in XDG_CACHE_HOME or in ~/.cache.
    """
    named = os.environ.get("GRADION_CACHE")
    if named:
        return Path(named) / "programs"
    root = os.environ.get("XDG_CACHE_HOME") or str(Path(os.environ.get("HOME", "~")) / ".cache")
    return Path(root).expanduser() / "gradion" / "programs"


def switch_on_cache() -> str | None:
    """Have JAX keep compiled programs on disk; return a note if it cannot.

    A JAX_COMPILATION_CACHE_DIR set by the user is left as it is.
    """
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return None
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return f"compiled programs are not kept: {folder} cannot be written ({reason})"
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    # The many small programs that build a model are worth keeping too.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return None


def cache_size(folder: Path) -> int:
    """Bytes of the files in a folder; 0 if there is none."""
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
