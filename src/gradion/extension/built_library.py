"""A plan carried out: found in the cache or built, and opened."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import datetime
from importlib import metadata
from pathlib import Path
from typing import final

from gradion.extension.build import compile_library
from gradion.extension.build_cache import BuildCache, open_cache, private_cache
from gradion.extension.build_plan import BuildPlan
from gradion.extension.ffi_version import header_version
from gradion.foundation.errors import InputError

__all__ = ["find_built", "open_library", "realise"]

# Somebody may save a source while it is compiled; who does so three times in a row is a program.
_TRIES = 3


@final
@dataclasses.dataclass(frozen=True)
class _Built:
    path: Path
    key: str
    is_new: bool


def realise(plan: BuildPlan, *, verbose: bool) -> tuple[Path, str, ctypes.CDLL]:
    """The file of a plan, its key, and the file opened; built if the cache does not have it.

    A cached file that cannot be opened is built anew, once. Raises BuildError if the compiler
    refuses, and InputError if there is nowhere to build or if what was built cannot be opened.
    """
    built = _found_or_built(plan, verbose=verbose)
    try:
        return built.path, built.key, ctypes.CDLL(str(built.path))
    except OSError as error:
        if built.is_new and built.path.exists():
            raise _cannot_open(built.path, error) from None
    # Damaged, or taken away meanwhile by a process that repaired it.
    with contextlib.suppress(OSError):
        BuildCache(built.path.parents[2]).discard(plan.job.name, built.key)
    built = _found_or_built(plan, verbose=verbose)
    return built.path, built.key, open_library(built.path)


def find_built(plan: BuildPlan) -> Path | None:
    """The file of a plan, if a cache has it and it is intact."""
    return _find(plan.job.name, plan.key())


def open_library(path: Path) -> ctypes.CDLL:
    """Open a shared library. Raises InputError with the loader's words if it cannot be."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise _cannot_open(path, error) from None


def _cannot_open(path: Path, error: OSError) -> InputError:
    return InputError(
        f"the built library cannot be opened: {error}",
        where=str(path),
        mend="link what is missing by a flag (-l...), or, if the folder's files may not be run, "
        "name another in GRADION_CACHE",
    )


def _found_or_built(plan: BuildPlan, *, verbose: bool) -> _Built:
    for _ in range(_TRIES):
        key = plan.key()
        path = _find(plan.job.name, key)
        if path is not None:
            return _Built(path, key, is_new=False)
        path = _build(plan, key, verbose=verbose)
        if path is not None:
            return _Built(path, key, is_new=True)
    raise InputError(
        "the sources changed each time while they were compiled",
        where=f"extension {plan.job.name!r}",
        mend="call load again when nothing writes to them",
    )


def _find(name: str, key: str) -> Path | None:
    for cache in (open_cache(), private_cache(None)):
        path = None if cache is None else cache.find(name, key)
        if path is not None:
            return path
    return None


def _build(plan: BuildPlan, key: str, *, verbose: bool) -> Path | None:
    """Build in the cache, or where that cannot be written, in one of this process's own."""
    cache = open_cache()
    if cache is None:
        reason = "there is no home folder to keep built extensions in"
    else:
        try:
            return _build_in(cache, plan, key, verbose=verbose)
        except OSError as error:
            reason = f"the extension cache {cache.folder} cannot be written ({error.strerror})"
    own = private_cache(reason)
    if own is None:
        raise InputError(reason, where=f"extension {plan.job.name!r}")
    try:
        return _build_in(own, plan, key, verbose=verbose)
    except OSError as error:
        raise InputError(
            f"{reason}, nor can the temporary folder {own.folder} ({error.strerror})",
            where=f"extension {plan.job.name!r}",
            mend="make room, or name a folder that can be written in GRADION_CACHE",
        ) from None


def _build_in(cache: BuildCache, plan: BuildPlan, key: str, *, verbose: bool) -> Path | None:
    """Build in one cache; None if the sources changed meanwhile. Raises OSError."""
    with cache.room(plan.job.name) as room:
        report = compile_library(plan.job, room / plan.file, verbose=verbose)
        if plan.key() != key:
            # What was compiled may be half old and half new: no key is right for it.
            return None
        record = {
            "name": plan.job.name,
            "platform": plan.platform,
            "sources": [str(path) for path in plan.job.sources],
            "commands": [list(command) for command in report.commands],
            "compiler": plan.job.compiler.name,
            "ffi": str(header_version(plan.job.headers)),
            "jaxlib": metadata.version("jaxlib"),
            "seconds": round(report.seconds, 3),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        return cache.keep(room, room / plan.file, key, record)
