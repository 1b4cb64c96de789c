"""Versions of the XLA FFI: of headers, of the running jaxlib, of a built library.

A handler carries the version of the headers that it was compiled with, and XLA takes it only if
its own is the same or newer. It looks when it makes a backend, and if it refuses one handler then
the backend fails, with all of JAX ("Unable to initialize backend 'cpu'"). So the versions are
compared here, before anything is registered.
"""

from __future__ import annotations

import ctypes
import functools
import re
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import jax

from gradion.foundation.errors import InputError

__all__ = [
    "OLDEST_SUPPORTED",
    "VERSION_UNIT",
    "FfiVersion",
    "check_version",
    "header_version",
    "include_folder",
    "library_version",
    "runtime_version",
]


class FfiVersion(NamedTuple):
    """Version of the XLA FFI's interface."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Return it as text, such as 0.3."""
        return f"{self.major}.{self.minor}"

    def runs_on(self, runtime: FfiVersion) -> bool:
        """Whether what was compiled for this version runs on a jaxlib of version `runtime`."""
        return self.major == runtime.major and self.minor <= runtime.minor


# Of jaxlib 0.10.2, the oldest that gradion supports.
OLDEST_SUPPORTED: Final = FfiVersion(0, 3)

_SYMBOL = "gradion_ffi_api"
# Compiled into every library: the C part of the headers alone, 0.05 s.
VERSION_UNIT: Final = f"""\
#include "xla/ffi/api/c_api.h"
extern "C" {{
extern __attribute__((visibility("default"))) const int {_SYMBOL}[2];
const int {_SYMBOL}[2] = {{XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR}};
}}
"""


def include_folder() -> Path:
    """The folder of the FFI headers that the installed jaxlib brings."""
    return Path(jax.ffi.include_dir())


@functools.cache
def header_version(folder: Path) -> FfiVersion:
    """The version of the FFI headers in a folder.

    Raises InputError if they are missing or do not say their version.
    """
    path = folder / "xla" / "ffi" / "api" / "c_api.h"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"the headers of the XLA FFI cannot be read ({error.strerror})",
            where=str(path),
            mend="install jaxlib anew: its wheel brings them",
        ) from None
    numbers = [
        re.search(rf"^\s*#\s*define\s+XLA_FFI_API_{part}\s+(\d+)", text, re.MULTILINE)
        for part in ("MAJOR", "MINOR")
    ]
    major, minor = numbers
    if major is None or minor is None:
        raise InputError("does not define XLA_FFI_API_MAJOR and _MINOR", where=str(path))
    return FfiVersion(int(major[1]), int(minor[1]))


def runtime_version() -> FfiVersion:
    """The version of the running jaxlib: that of the headers which come with it."""
    return header_version(include_folder())


def library_version(library: ctypes.CDLL) -> FfiVersion | None:
    """The version that a library was built with, or None if it does not say.

    Every library that gradion builds says it; those built by other means do not.
    """
    try:
        numbers = (ctypes.c_int * 2).in_dll(library, _SYMBOL)
    except ValueError:
        return None
    return FfiVersion(numbers[0], numbers[1])


def check_version(built: FfiVersion | None, path: Path) -> None:
    """Raise InputError for a library that the running jaxlib would refuse, or that says nothing."""
    runtime = runtime_version()
    if built is None:
        raise InputError(
            "does not say which version of the XLA FFI it was built with, and the wrong one "
            "would take the whole backend down",
            where=str(path),
            mend=f"build it with gradion, or, if its headers are of version {runtime} or older, "
            "pass unchecked=True",
        )
    if not built.runs_on(runtime):
        raise InputError(
            f"was built with headers of the XLA FFI {built}, and the running one, of jaxlib "
            f"{metadata.version('jaxlib')}, is {runtime}",
            where=str(path),
            mend="build it again here, build it against an older jaxlib "
            f"(FFI {OLDEST_SUPPORTED} is the oldest that gradion supports), or install a newer "
            "jaxlib",
        )
