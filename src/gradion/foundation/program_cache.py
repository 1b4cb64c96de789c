"""JAX's own cache of compiled programs, switched on so that small programs are kept too.

JAX keeps a program only if it took a second to compile, and most programs of gradion take less.
"""

from __future__ import annotations

import os
from pathlib import Path

from gradion.foundation.cache_root import cache_root

__all__ = ["cache_size", "keep_programs", "program_folder"]


def program_folder() -> Path | None:
    """Where JAX keeps compiled programs: `programs` in `cache_root()`; None without a home."""
    root = cache_root()
    return None if root is None else root / "programs"


def keep_programs() -> str | None:
    """Have JAX keep compiled programs on disk; return a note if it cannot.

    To be called before the first program is compiled. A JAX_COMPILATION_CACHE_DIR set by the user
    is left as it is.
    """
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return None
    folder = program_folder()
    if folder is None:
        return "compiled programs are not kept: there is no home folder, and no GRADION_CACHE"
    try:
        # For this user alone: who can write there can run code as this user.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def cache_size(folder: Path | None) -> int:
    """Bytes of the files in a folder; 0 if there is none."""
    if folder is None:
        return 0
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
