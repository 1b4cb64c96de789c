"""Compiled programs on disk, for this user on this machine.

    <cache>/executables/<key>.xla       a digest, a line of JSON, the runtime's bytes

An entry is machine code: whoever can write one can run code as its reader. So entries are read only
from a folder that belongs to this user and that nobody else can write; none is ever taken from a
path that somebody names in a file or sends. An entry appears whole or not at all, and is
compared with its digest before anything looks into it. Nothing is locked: of two processes that
compile the same program, the second replaces the entry of the first by its own.

A cache that cannot be used costs one warning, and programs are compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from gradion.foundation.atomic_file import write_atomically
from gradion.foundation.cache_root import cache_root
from gradion.foundation.errors import InputError

__all__ = ["CacheEntry", "ExecutableCache", "user_cache"]

_SUFFIX: Final = ".xla"
_PREFIX: Final = ".part-"
_LIMIT_BYTES: Final = 1 << 30
_LEFTOVER_AGE_S: Final = 24 * 3600.0
_OTHERS_WRITE: Final = 0o022

# Warnings that were given, by folder and reason.
_told: set[tuple[Path, str]] = set()


@final
@dataclass(frozen=True)
class CacheEntry:
    """A compiled program: the runtime's bytes, and facts about it that JSON can hold."""

    content: bytes
    facts: Mapping[str, Any]


@final
class ExecutableCache:
    """A folder of compiled programs by key; the ones used last, up to `limit` bytes.

    Raises ValueError if the limit is negative.
    """

    def __init__(self, folder: Path, *, limit: int = _LIMIT_BYTES) -> None:
        if limit < 0:
            raise ValueError(f"limit: got {limit} bytes, expected 0 or more")
        self.folder = folder
        self.limit = limit

    def find(self, key: str) -> CacheEntry | None:
        """The entry of this key, or None; one that is damaged is removed."""
        if not self.folder.is_dir() or not self._trusted():
            return None
        path = self._path(key)
        try:
            whole = path.read_bytes()
        except OSError:
            return None
        entry = _unpacked(whole)
        if entry is None:
            self.discard(key)
            return None
        # The time of its last use; in a folder that cannot be written it stays as it is.
        with contextlib.suppress(OSError):
            os.utime(path)
        return entry

    def keep(self, key: str, entry: CacheEntry) -> bool:
        """Write an entry, and remove the oldest ones if there is too much; whether it was kept."""
        whole = _packed(entry)
        if len(whole) > self.limit:
            return False
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._trusted():
                return False
            write_atomically(self._path(key), whole, prefix=_PREFIX)
        except OSError as error:
            self._tell(f"cannot be written ({error.strerror or type(error).__name__})")
            return False
        self._shrink()
        return True

    def discard(self, key: str) -> None:
        """Remove an entry, if it is there and can be removed."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def clear(self) -> int:
        """Remove all entries, and return how many there were."""
        found = self._files()
        for path, _ in found:
            with contextlib.suppress(OSError):
                path.unlink()
        return sum(path.suffix == _SUFFIX for path, _ in found)

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(status.st_size for _, status in self._files())

    def __len__(self) -> int:
        """The number of entries."""
        return sum(path.suffix == _SUFFIX for path, _ in self._files())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _trusted(self) -> bool:
        """Whether nobody but this user can write to the folder."""
        try:
            status = self.folder.stat()
        except OSError as error:
            self._tell(f"cannot be read ({error.strerror or type(error).__name__})")
            return False
        if status.st_uid != os.geteuid():
            self._tell("belongs to another user")
            return False
        if status.st_mode & _OTHERS_WRITE:
            self._tell("can be written by other users")
            return False
        return True

    def _tell(self, reason: str) -> None:
        if (self.folder, reason) in _told:
            return
        _told.add((self.folder, reason))
        warnings.warn(
            f"{self.folder} {reason}: compiled programs are not kept there. Name a folder of "
            "your own in GRADION_CACHE",
            RuntimeWarning,
            stacklevel=2,
        )

    def _shrink(self) -> None:
        """Remove the entries used longest ago, and what killed writers left."""
        found = sorted(self._files(), key=lambda item: item[1].st_mtime)
        excess = sum(status.st_size for _, status in found) - self.limit
        for path, status in found:
            old = time.time() - status.st_mtime > _LEFTOVER_AGE_S
            leftover = path.name.startswith(_PREFIX) and old
            if leftover or (excess > 0 and path.suffix == _SUFFIX):
                # Another process may have been first.
                with contextlib.suppress(OSError):
                    path.unlink()
                excess -= status.st_size

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Entries, and files that are being written, with their sizes and times."""
        found = []
        for path in self.folder.glob("*"):
            if path.suffix == _SUFFIX or path.name.startswith(_PREFIX):
                with contextlib.suppress(OSError):
                    found.append((path, path.stat()))
        return found


def user_cache() -> ExecutableCache | None:
    """The cache of this user: `executables` in gradion's cache folder; None without a home.

    GRADION_CACHE moves it, and GRADION_CACHE_LIMIT is its size in bytes (1 GiB if it is not set).
    Raises InputError for a limit that is no number.
    """
    root = cache_root()
    if root is None:
        return None
    named = os.environ.get("GRADION_CACHE_LIMIT")
    if named is None:
        return ExecutableCache(root / "executables")
    if not named.isdecimal():
        raise InputError(f"got {named!r}, expected a number of bytes", where="GRADION_CACHE_LIMIT")
    return ExecutableCache(root / "executables", limit=int(named))


def _packed(entry: CacheEntry) -> bytes:
    body = json.dumps(dict(entry.facts)).encode() + b"\n" + entry.content
    return hashlib.sha256(body).digest() + body


def _unpacked(whole: bytes) -> CacheEntry | None:
    size = hashlib.sha256().digest_size
    digest, body = whole[:size], whole[size:]
    if hashlib.sha256(body).digest() != digest:
        return None
    line, _, content = body.partition(b"\n")
    return CacheEntry(content, json.loads(line))
