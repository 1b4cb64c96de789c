"""The cache of built libraries: a folder a build, which appears whole or not at all.

    <cache>/<name>/<key>/<name>.so      the library
    <cache>/<name>/<key>/build.json     what it was built from, its size and its digest

A build happens in a folder of its own beside these and is then renamed. Nothing is locked, so
nothing can stay locked: of two processes that build the same, the second throws its work away, and
of a killed one a folder is left, which a later build removes after a day.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from gradion.extension.cache_folder import cache_folder
from gradion.foundation.atomic_file import write_atomically
from gradion.foundation.errors import InputError

__all__ = ["BuildCache", "CachedBuild", "open_cache", "private_cache"]

_RECORD = "build.json"
_PREFIX = ".build-"
_LEFTOVER_AGE_S = 24 * 3600.0
# Processes that repair the same build get into each other's way; each try, one of them succeeds.
_PLACING_TRIES = 5

_private: list[BuildCache] = []


@final
@dataclasses.dataclass(frozen=True)
class CachedBuild:
    """One built library in the cache, for listing.

    `record` is the content of build.json (command, compiler, versions, seconds, bytes, ...), empty
    where it cannot be read; `intact` tells whether the library is the one that was built.
    """

    name: str
    key: str
    folder: Path
    record: Mapping[str, Any]
    intact: bool


@final
class BuildCache:
    """Built libraries in a folder, by name and key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str, key: str) -> Path | None:
        """The library built under this key, or None if there is none that is intact.

        It is compared with its digest before it is given out: loading a file that was cut short
        may end the process.
        """
        folder = self.folder / name / key
        path, intact = _look(folder)
        return path if intact else None

    @contextlib.contextmanager
    def room(self, name: str) -> Iterator[Path]:
        """A new empty folder to build in, removed at the end unless it was kept.

        Raises OSError where nothing can be written.
        """
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        folder = _new_folder(place)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, room: Path, library: Path, key: str, record: Mapping[str, Any]) -> Path:
        """Move a library that was built in `room` to its place, and return where it lies now.

        Nothing else of the room is kept. Raises OSError where that cannot be written.
        """
        content = library.read_bytes()
        for path in room.iterdir():
            if path == library:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        facts = {
            **record,
            "file": library.name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        content = json.dumps(facts, indent=1).encode()
        write_atomically(room / _RECORD, content, prefix=_PREFIX)
        _flush(library)
        _flush(room)
        target = room.parent / key
        for _ in range(_PLACING_TRIES):
            try:
                room.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if _look(target)[1]:
                    # Another process was first; it built the same.
                    break
                _discard(target)
                continue
            _flush(target.parent)
            break
        return target / library.name

    def discard(self, name: str, key: str) -> None:
        """Take a build out of the cache. Raises OSError if it cannot be."""
        _discard(self.folder / name / key)

    def builds(self) -> tuple[CachedBuild, ...]:
        """All builds in the cache, by name, the oldest first."""
        found = []
        for folder in sorted(self.folder.glob("*/*")):
            if folder.is_dir() and not folder.name.startswith(_PREFIX):
                intact = _look(folder)[1]
                name, key = folder.parent.name, folder.name
                found.append(CachedBuild(name, key, folder, _record(folder), intact))
        return tuple(
            sorted(found, key=lambda build: (build.name, str(build.record.get("created", ""))))
        )

    def clean(self, name: str | None = None) -> int:
        """Remove the builds of one name, or all, and return how many there were.

        What is being built stays, unless it is a day old. A process that uses a library goes on.
        """
        count = 0
        for build in self.builds():
            if name is None or build.name == name:
                _discard(build.folder)
                count += 1
        for place in self.folder.glob("*"):
            if place.is_dir() and (name is None or place.name == name):
                _sweep(place)
                with contextlib.suppress(OSError):
                    place.rmdir()
        return count


def open_cache() -> BuildCache | None:
    """The cache of this user, or None if there is no place for one."""
    folder = cache_folder()
    return None if folder is None else BuildCache(folder)


def private_cache(reason: str | None) -> BuildCache | None:
    """A cache of this process alone, in a temporary folder that goes with it.

    With a reason it is made where there is none yet, with a warning that tells it; without, it
    is returned only if there is one. Raises InputError if there is no place for it either.
    """
    if not _private and reason is not None:
        try:
            folder = Path(tempfile.mkdtemp(prefix="gradion-extension-"))
        except OSError as error:
            raise InputError(
                f"{reason}, and no temporary folder can be made ({error.strerror})",
                where="extension cache",
                mend="name a folder that can be written in GRADION_CACHE",
            ) from None
        process = os.getpid()

        def remove() -> None:
            # A forked child ends too, and must not take the folder of its parent along.
            if os.getpid() == process:
                shutil.rmtree(folder, ignore_errors=True)

        atexit.register(remove)
        _private.append(BuildCache(folder))
        warnings.warn(
            f"{reason}; what is built is kept for this process only. "
            "Name a folder that can be written in GRADION_CACHE",
            RuntimeWarning,
            stacklevel=2,
        )
    return _private[0] if _private else None


def _look(folder: Path) -> tuple[Path | None, bool]:
    """The library in a folder, if its record names one, and whether it is as it was built."""
    record = _record(folder)
    try:
        path = folder / record["file"]
        if path.stat().st_size != record["bytes"]:
            return path, False
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, KeyError, TypeError):
        return None, False
    return path, digest == record.get("sha256")


def _record(folder: Path) -> Mapping[str, Any]:
    try:
        record = json.loads((folder / _RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _discard(folder: Path) -> None:
    """Remove a build: under another name first, so that nobody finds a half of it."""
    aside = _new_folder(folder.parent)
    try:
        # Gone already if another process was first.
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside / folder.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _new_folder(place: Path) -> Path:
    """A new folder that those may read who may read what its user makes."""
    folder = place / f"{_PREFIX}{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def _sweep(place: Path) -> None:
    """Remove what builds left that were killed."""
    for leftover in place.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(leftover)


def _flush(path: Path) -> None:
    """Have a file or folder written to the disk: a rename may survive a crash, its content not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
