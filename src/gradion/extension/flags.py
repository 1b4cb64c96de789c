"""Flags of the compilers: ours, the user's, and those that are refused."""

from __future__ import annotations

import dataclasses
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import final

from gradion.extension.toolchain import Compiler
from gradion.foundation.errors import InputError

__all__ = [
    "Flags",
    "as_flags",
    "cpp_flags",
    "cuda_flags",
    "input_files",
    "last_cpp_flags",
    "search_folders",
]

# Each of these lets the compiler assume that there is no NaN and no infinity, so that a check
# for NaN is compiled away; with GCC some of them also change the rounding of the whole process.
_FINITE_MATH = re.compile(
    r"-Ofast|-ffast-math|-ffinite-math-only|-funsafe-math-optimizations|-menable-no-(nans|infs)"
    r"|-fno-honor-(nans|infinities)|-ffp-model=(fast|aggressive)|-fp-model=?fast"
)
# Options whose value is the next word.
_FOLDER_OPTIONS = ("-iquote", "-I", "-isystem", "-idirafter")
_FILE_OPTIONS = ("-include", "-imacros")

# Every x86-64 processor since 2009 has these instructions.
_BASELINE = {"x86_64": "x86-64-v2", "amd64": "x86-64-v2"}
# One architecture: nvcc reads the FFI headers once for each, 3 to 5 s a time. The file also holds
# PTX, which the driver compiles for a newer GPU.
_ONE_GPU = ("-arch=sm_80",)
_MANY_GPUS = (
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=compute_90",
)


@final
@dataclasses.dataclass(frozen=True)
class Flags:
    """Further flags: `cpp` for the C++ compiler, `cuda` for nvcc.

    They stand after gradion's own, so that the last one wins (`-O1`, `-march=x86-64-v3`).
    Raises TypeError for anything but sequences of str, and InputError for a flag that switches
    finite math on.
    """

    cpp: tuple[str, ...] = ()
    cuda: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cpp", _checked(self.cpp, "flags"))
        object.__setattr__(self, "cuda", _checked(self.cuda, "flags for CUDA"))


def as_flags(flags: Sequence[str] | Flags | None) -> Flags:
    """Flags of what a user gives: a plain sequence is for the C++ compiler."""
    if flags is None:
        return Flags()
    if isinstance(flags, Flags):
        return flags
    return Flags(cpp=_checked(flags, "flags"))


def cpp_flags(compiler: Compiler, *, portable: bool) -> tuple[str, ...]:
    """Our flags for a C++ compiler: for this processor, or for any of the last years.

    A NaN stays a NaN: the only freedom taken is that mathematical functions need not set errno.
    What the compiler's command, as CXX has it, says of optimisation (-O1) and processor (-march=)
    holds. Raises InputError if it switches finite math on.
    """
    asked = _checked(compiler.command[1:], "CXX")
    flags = ["-std=c++17", "-shared", "-fPIC", "-pthread", "-fno-math-errno"]
    if not any(flag.startswith("-O") for flag in asked):
        flags.append("-O3")
    if compiler.is_gcc:
        # Else an inline variable is one for all libraries of the process: a changed source would
        # see the value that it had before.
        flags.append("-fno-gnu-unique")
    model = _BASELINE.get(platform.machine().lower()) if portable else "native"
    if any(flag.startswith(("-march=", "-mcpu=")) for flag in asked):
        model = None
    if model is not None and compiler.is_zig:
        # zig parts the words of a name by underscores.
        flags.append("-mcpu=" + model.replace("-", "_"))
    elif model is not None:
        flags.append("-march=" + model)
    return tuple(flags)


def last_cpp_flags(user: Sequence[str]) -> tuple[str, ...]:
    """What must stand after the user's flags."""
    # A handler that is hidden cannot be found by its name.
    last = ["-fvisibility=default"]
    sanitized = any(flag.startswith("-fsanitize") for flag in user)
    if sys.platform == "linux" and not sanitized:
        # Found by the linker, with its line; found by the loader, without. The run-time library
        # of a sanitizer comes with the process.
        last.append("-Wl,--no-undefined")
    return tuple(last)


def cuda_flags(*, portable: bool, gpu_here: bool) -> tuple[str, ...]:
    """Our flags for nvcc: for the GPU here, else for one architecture and PTX, or for several."""
    architecture: tuple[str, ...]
    if portable:
        architecture = (*_MANY_GPUS, "--threads=0")
    elif gpu_here:
        architecture = ("-arch=native",)
    else:
        architecture = _ONE_GPU
    # -x cu: a source may end in .cc, the same file for both compilers.
    return ("-std=c++17", "-shared", "-O3", "-Xcompiler=-fPIC", "-x=cu", *architecture)


def search_folders(flags: Sequence[str]) -> tuple[Path, ...]:
    """The folders in which flags have the compiler look for included files."""
    return tuple(Path(value) for value in _values(flags, _FOLDER_OPTIONS))


def input_files(flags: Sequence[str]) -> tuple[Path, ...]:
    """The files that flags bring in: included before the source, or linked."""
    named = [Path(value) for value in _values(flags, _FILE_OPTIONS)]
    plain = [Path(flag) for flag in flags if not flag.startswith("-")]
    return tuple(path for path in (*named, *plain) if path.is_file())


def _values(flags: Sequence[str], options: Sequence[str]) -> list[str]:
    found: list[str] = []
    for number, here in enumerate(flags):
        for option in options:
            if here == option:
                found += flags[number + 1 : number + 2]
            elif here.startswith(option):
                found.append(here.removeprefix(option).removeprefix("="))
            else:
                continue
            break
    return found


def _checked(flags: Sequence[str], where: str) -> tuple[str, ...]:
    if isinstance(flags, str):
        raise TypeError(f"{where}: got the string {flags!r}, expected a list of strings")
    for flag in flags:
        if not isinstance(flag, str):
            raise TypeError(f"{where}: got {flag!r}, expected strings")
        # nvcc hands flags on: -Xcompiler=-O3,-ffast-math.
        for word in re.split(r"[,\s]|(?<=-Xcompiler)=", flag):
            if _FINITE_MATH.fullmatch(word):
                raise InputError(
                    f"{word} lets the compiler assume that no value is NaN or infinite, "
                    "so that checks for NaN would vanish",
                    where=where,
                    mend="leave it out; -fno-math-errno and -O3 are already given, and "
                    "-fno-trapping-math, -fassociative-math and -fno-signed-zeros are accepted",
                )
    return tuple(flags)
