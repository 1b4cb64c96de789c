"""Which compilers there are, and how one is told from another."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from gradion.extension.cache_folder import cache_folder
from gradion.foundation.atomic_file import write_atomically
from gradion.foundation.errors import InputError

__all__ = ["Compiler", "CompilerNotFoundError", "find_compiler", "find_nvcc"]

_NAMES = ("c++", "g++", "clang++")
# Long enough for a wrapper on a slow network folder; a program that asks for input would hang.
_VERSION_TIMEOUT_S = 60.0
# Compilers look at these unasked, so their values belong to the identity.
_SEARCH_VARIABLES = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "NVCC_CCBIN")
_INSTALL = (
    "install one (g++ or clang++ of the system, `conda install cxx-compiler` or "
    "`pip install ziglang`), or name it in the environment variable CXX"
)

_found: dict[tuple[str, str], Compiler] = {}


class CompilerNotFoundError(InputError):
    """No C++ compiler was found, or the one that CXX names does not run."""


@final
@dataclasses.dataclass(frozen=True)
class Compiler:
    """A compiler that answered when asked for its version.

    `command` are its first words, a full path first; `version` is its own text.
    """

    command: tuple[str, ...]
    version: str
    is_zig: bool = False

    @property
    def name(self) -> str:
        """The first line of the version, to be read by people."""
        return self.version.partition("\n")[0].strip() or self.command[0]

    @property
    def is_gcc(self) -> bool:
        """Whether it is GCC, under whatever name."""
        return "Free Software Foundation" in self.version

    @property
    def identity(self) -> str:
        """All that says which code it makes, itself apart from its flags."""
        searched = [f"{name}={os.environ.get(name, '')}" for name in _SEARCH_VARIABLES]
        # What is behind a link counts: `c++` may be another compiler tomorrow.
        return "\n".join(
            [os.path.realpath(self.command[0]), *self.command[1:], self.version, *searched]
        )


def find_compiler() -> Compiler:
    """The C++ compiler: what CXX names, else c++, g++, clang++, else that of the ziglang wheel.

    Each is asked for its version once a process. Raises CompilerNotFoundError, with what was
    looked for, if none answers; a CXX that does not run is not passed over for another.
    """
    chosen = os.environ.get("CXX", "").strip()
    key = (chosen, os.environ.get("PATH", ""))
    if key not in _found:
        _found[key] = _named_by_user(chosen) if chosen else _first_of_system()
    return _found[key]


def find_nvcc() -> Compiler | None:
    """The CUDA compiler: what CUDACXX names, that of CUDA_HOME, nvcc on the path; or None."""
    candidates = [os.environ.get("CUDACXX", "").strip()]
    homes = [os.environ.get("CUDA_HOME", ""), os.environ.get("CUDA_PATH", "")]
    candidates += [str(Path(home, "bin", "nvcc")) for home in homes if home]
    candidates += ["nvcc", "/usr/local/cuda/bin/nvcc"]
    for candidate in candidates:
        path = shutil.which(candidate) if candidate else None
        if path is None:
            continue
        key = ("nvcc", path)
        if key in _found:
            return _found[key]
        version = _version((path,), [path])
        if version is not None:
            _found[key] = Compiler((path,), version)
            return _found[key]
    return None


def _named_by_user(chosen: str) -> Compiler:
    words = shlex.split(chosen)
    path = shutil.which(words[0])
    if path is None:
        raise CompilerNotFoundError(
            f"CXX is {chosen!r}, and there is no program {words[0]!r}",
            mend="name a C++ compiler there, or unset CXX to have one looked for",
        )
    command = (path, *words[1:])
    # `ccache g++`: both programs decide what is run.
    programs = [found for word in words if (found := shutil.which(word)) is not None]
    version = _version(command, programs)
    if version is None:
        raise CompilerNotFoundError(
            f"CXX is {chosen!r}, which fails when asked for its version",
            mend="name a C++ compiler there, or unset CXX to have one looked for",
        )
    return Compiler(command, version, is_zig=Path(path).name == "zig" or "ziglang" in words)


def _first_of_system() -> Compiler:
    for name in _NAMES:
        path = shutil.which(name)
        if path is None:
            continue
        version = _version((path,), [path])
        if version is not None:
            return Compiler((path,), version)
    wheel = importlib.util.find_spec("ziglang")
    if wheel is not None and wheel.origin is not None:
        command = (sys.executable, "-m", "ziglang", "c++")
        version = _version(command, [str(Path(wheel.origin).with_name("zig"))])
        if version is not None:
            return Compiler(command, version, is_zig=True)
    raise CompilerNotFoundError(
        f"no C++ compiler was found: CXX is not set, none of {', '.join(_NAMES)} is on the "
        "path and runs, and the wheel ziglang is not installed",
        mend=_INSTALL,
    )


def _version(command: Sequence[str], programs: Sequence[str]) -> str | None:
    """The version of a compiler, or None if it does not say.

    Starting a compiler takes longer than loading a library that is already built. So the answer
    is kept on disk for as long as its programs have the same size and time.
    """
    mark = _stamps(programs)
    folder = cache_folder()
    memory = None if folder is None else folder / "compilers.json"
    known = {} if memory is None else _remembered(memory)
    entry = known.get(shlex.join(command))
    if isinstance(entry, dict) and entry.get("programs") == mark:
        return str(entry.get("version"))
    try:
        answer = subprocess.run(
            [*command, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = answer.stdout.decode("utf-8", "replace").strip()
    if memory is None:
        return version
    # Where nothing can be written, the compiler is asked again by the next process.
    with contextlib.suppress(OSError):
        entries = {**known, shlex.join(command): {"programs": mark, "version": version}}
        memory.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(entries, indent=1).encode()
        # The cache sweeps what killed writes leave under this name.
        write_atomically(memory, content, prefix=".build-")
    return version


def _stamps(programs: Sequence[str]) -> list[list[str | int]]:
    stamps: list[list[str | int]] = []
    for program in programs:
        with contextlib.suppress(OSError):
            status = os.stat(program)  # noqa: PTH116  # follows links, as the system does
            stamps.append([os.path.realpath(program), status.st_size, status.st_mtime_ns])
    return stamps


def _remembered(memory: Path) -> Mapping[str, object]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
