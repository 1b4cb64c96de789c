"""From the arguments of `load` to jobs of a compiler and the keys of their results."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import final

from gradion.extension.build import OWN_HEADERS, BuildJob
from gradion.extension.ffi_version import header_version, include_folder
from gradion.extension.flags import (
    Flags,
    cpp_flags,
    cuda_flags,
    input_files,
    last_cpp_flags,
    search_folders,
)
from gradion.extension.processor import gpu_models, processor_identity
from gradion.extension.sources import digest_of_files, included_files
from gradion.extension.toolchain import find_compiler, find_nvcc

__all__ = ["NO_NVCC", "BuildPlan", "cpp_plan", "cuda_plan", "user_files"]

NO_NVCC = "no nvcc was found: not in CUDACXX, CUDA_HOME, CUDA_PATH nor on the path"

# Changed whenever the same inputs are built into something else.
_FORMAT = 1


@final
@dataclasses.dataclass(frozen=True)
class BuildPlan:
    """One library for one platform: the job, the name of its file, the processor it is for."""

    job: BuildJob
    platform: str
    file: str
    processor: str

    def files(self) -> tuple[Path, ...]:
        """The files of the user's, and the headers of gradion's that they include."""
        found = user_files(self.job.sources, self.job.last_flags)
        return (*found, *included_files(found, (OWN_HEADERS,)))

    def key(self) -> str:
        """The digest of all that decides about the built file, as far as it can be known before.

        Not in it: what a macro includes (`#include NAME`), and libraries linked by `-l`.
        """
        inputs = [
            _FORMAT,
            self.job.name,
            self.file,
            self.job.compiler.identity,
            self.job.flags,
            self.job.last_flags,
            self.processor,
            str(header_version(self.job.headers)),
            digest_of_files(self.files()),
        ]
        return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def user_files(sources: tuple[Path, ...], flags: Sequence[str]) -> tuple[Path, ...]:
    """Sources, files that flags name, and what these include of the user's."""
    first = (*sources, *input_files(flags))
    return (*first, *included_files(first, search_folders(flags)))


def cpp_plan(name: str, sources: tuple[Path, ...], flags: Flags, *, portable: bool) -> BuildPlan:
    """The plan for the CPU: for the one here, or, if `portable`, for any of the last years.

    Raises CompilerNotFoundError if there is no C++ compiler.
    """
    compiler = find_compiler()
    job = BuildJob(
        name,
        compiler,
        sources,
        cpp_flags(compiler, portable=portable),
        (*flags.cpp, *last_cpp_flags((*compiler.command[1:], *flags.cpp))),
        include_folder(),
    )
    return BuildPlan(job, "cpu", f"{name}.so", "" if portable else processor_identity())


def cuda_plan(
    name: str, sources: tuple[Path, ...], flags: Flags, *, portable: bool
) -> BuildPlan | None:
    """The plan for NVIDIA GPUs: for those here, else for several; None where there is no nvcc."""
    compiler = find_nvcc()
    if compiler is None:
        return None
    models = () if portable else gpu_models()
    job = BuildJob(
        name,
        compiler,
        sources,
        cuda_flags(portable=portable, gpu_here=bool(models)),
        flags.cuda,
        include_folder(),
        for_cuda=True,
    )
    return BuildPlan(job, "cuda", f"{name}.cuda.so", "\n".join(models))
