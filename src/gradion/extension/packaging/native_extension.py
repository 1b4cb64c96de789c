"""An extension of a package, built ahead of time by either hook."""

from __future__ import annotations

import dataclasses
import os
import re
import sysconfig
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import final

from gradion.extension.build import compile_library
from gradion.extension.build_plan import NO_NVCC, BuildPlan, cpp_plan, cuda_plan, user_files
from gradion.extension.ffi_version import OLDEST_SUPPORTED, header_version, include_folder
from gradion.extension.flags import Flags
from gradion.extension.sources import source_paths
from gradion.foundation.errors import InputError

__all__ = ["OLDEST_JAXLIB", "NativeExtension", "wheel_tag"]

# The one to build against: its headers are of version OLDEST_SUPPORTED.
OLDEST_JAXLIB = "0.10.2"

_NAME = re.compile(r"([A-Za-z_]\w*\.)*[A-Za-z_]\w*", re.ASCII)


@final
@dataclasses.dataclass(frozen=True)
class NativeExtension:
    """A library that lies in a package: `name` is dotted, package and stem of the file.

    `sources` are built for the CPU, `cuda_sources` for the GPU, either may be empty; paths are
    relative to `root`. Raises ValueError for a name that is none and where there is no source,
    and InputError for a source that does not exist.
    """

    name: str
    sources: tuple[Path, ...]
    cuda_sources: tuple[Path, ...]
    flags: Flags

    @classmethod
    def of(
        cls,
        name: str,
        *,
        sources: Sequence[str | os.PathLike[str]] = (),
        cuda_sources: Sequence[str | os.PathLike[str]] = (),
        flags: Flags,
        root: Path,
    ) -> NativeExtension:
        """The extension with its paths found below `root`."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"name: got {name!r}, expected a dotted name such as package.stem")
        if not sources and not cuda_sources:
            raise ValueError(f"extension {name!r}: got no sources, expected one file or more")
        where = f"extension {name!r}"
        found = [
            source_paths([root / path for path in paths], where=where, argument=argument)
            for paths, argument in ((sources, "sources"), (cuda_sources, "cuda_sources"))
        ]
        return cls(name, found[0], found[1], flags)

    @property
    def stem(self) -> str:
        """The last part of the name, which names the files."""
        return self.name.rpartition(".")[2]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files to be built, that for the CPU first."""
        both = ((self.sources, f"{self.stem}.so"), (self.cuda_sources, f"{self.stem}.cuda.so"))
        return tuple(file for sources, file in both if sources)

    def path_in_package(self, file: str) -> str:
        """Where a file goes, seen from the folder that the package is in."""
        return "/".join([*self.name.split(".")[:-1], file])

    def user_files(self) -> tuple[Path, ...]:
        """All files of the user's that it is built from, headers included."""
        pairs = ((self.sources, self.flags.cpp), (self.cuda_sources, self.flags.cuda))
        found = [path for sources, flags in pairs for path in user_files(sources, flags)]
        return tuple(dict.fromkeys(found))

    def build(self, folder: Path, *, verbose: bool) -> tuple[Path, ...]:
        """Build its files into a folder, each whole or not at all.

        They run on any processor of their kind (x86-64-v2, unless a flag asks for more). Warns if
        the headers are newer than the oldest supported: the result then does not load with an
        older jax. Raises BuildError, CompilerNotFoundError, and InputError where CUDA sources
        meet no nvcc.
        """
        version = header_version(include_folder())
        if version != OLDEST_SUPPORTED:
            warnings.warn(
                f"extension {self.name!r} is built against the XLA FFI {version}: it will not "
                f"load where jaxlib is older. Build against {OLDEST_SUPPORTED}: "
                f'"jaxlib=={OLDEST_JAXLIB}" in [build-system] requires of pyproject.toml',
                RuntimeWarning,
                stacklevel=2,
            )
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_build_one(plan, folder, verbose=verbose) for plan in self._plans())

    def _plans(self) -> list[BuildPlan]:
        plans = []
        if self.sources:
            plans.append(cpp_plan(self.stem, self.sources, self.flags, portable=True))
        if self.cuda_sources:
            plan = cuda_plan(self.stem, self.cuda_sources, self.flags, portable=True)
            if plan is None:
                raise InputError(
                    f"has CUDA sources, and {NO_NVCC}",
                    where=f"extension {self.name!r}",
                    mend="build where the CUDA toolkit is installed",
                )
            plans.append(plan)
        return plans


def wheel_tag() -> str:
    """The tag of a wheel that holds such files: they serve every Python of the platform."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"py3-none-{platform}"


def _build_one(plan: BuildPlan, folder: Path, *, verbose: bool) -> Path:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as room:
        built = Path(room) / plan.file
        compile_library(plan.job, built, verbose=verbose)
        return built.replace(folder / plan.file)
