"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes, *, prefix: str = ".part-") -> None:
    """Put a file in place whole: a reader, or a kill, never sees half of it.

    It is written beside `path` under a temporary name that begins with `prefix`, flushed to disk
    and renamed. It has the rights of any new file. Raises OSError if it cannot be written; what
    was at `path` is then still there.
    """
    # Not by tempfile, which lets nobody else read, and the mask of rights cannot be asked for
    # without setting it, for all threads.
    temporary = path.with_name(f"{prefix}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the new name itself
    finally:
        os.close(directory)
