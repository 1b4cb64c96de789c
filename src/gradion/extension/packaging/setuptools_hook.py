"""Extensions in a package that setuptools builds.

    # setup.py
    from gradion.extension.packaging.setuptools_hook import BuildExtension, BuildWheel, CppExtension
    from setuptools import setup

    setup(
        ext_modules=[CppExtension("mypackage.lltm", ["src/mypackage/lltm.cc"])],
        cmdclass={"build_ext": BuildExtension, "bdist_wheel": BuildWheel},
    )

`mypackage/lltm.so` is then in the wheel, and `gradion.extension.load_prebuilt` loads it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import final

import setuptools
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

from gradion.extension.flags import Flags, as_flags
from gradion.extension.packaging.native_extension import NativeExtension, wheel_tag

__all__ = ["BuildExtension", "BuildWheel", "CUDAExtension", "CppExtension"]

_Paths = Sequence[str | os.PathLike[str]]


@final
class CppExtension(setuptools.Extension):
    """A library of XLA FFI handlers for the CPU, built from C++ files.

    `name` is dotted: "mypackage.lltm" becomes mypackage/lltm.so. `sources` are relative to the
    folder of setup.py. `flags` are further flags, which win over ours. Raises ValueError or
    InputError for a name or a source that is none.
    """

    def __init__(self, name: str, sources: _Paths, *, flags: Sequence[str] = ()) -> None:
        self.native = NativeExtension.of(
            name, sources=sources, flags=as_flags(flags), root=Path.cwd()
        )
        super().__init__(name, [os.fspath(path) for path in sources])


@final
class CUDAExtension(setuptools.Extension):
    """The same for NVIDIA GPUs, with a library for the CPU beside it if `sources` are given.

    "mypackage.lltm" becomes mypackage/lltm.cuda.so and, from `sources`, mypackage/lltm.so. A
    sequence of `flags` is for nvcc; give Flags to have some for each.
    """

    def __init__(
        self,
        name: str,
        cuda_sources: _Paths,
        *,
        sources: _Paths = (),
        flags: Sequence[str] | Flags = (),
    ) -> None:
        wanted = flags if isinstance(flags, Flags) else Flags(cuda=tuple(as_flags(flags).cpp))
        self.native = NativeExtension.of(
            name, sources=sources, cuda_sources=cuda_sources, flags=wanted, root=Path.cwd()
        )
        every = dict.fromkeys(os.fspath(path) for path in (*sources, *cuda_sources))
        super().__init__(name, list(every))


@final
class BuildExtension(build_ext):
    """The command build_ext, which also builds CppExtension and CUDAExtension."""

    def get_ext_filename(self, fullname: str) -> str:
        """The file of an extension; ours has no tag of Python in its name."""
        for native in self._natives():
            if fullname in (native.name, native.stem):
                return os.path.join(*fullname.split(".")[:-1], native.files[0])  # noqa: PTH118
        return super().get_ext_filename(fullname)

    def build_extension(self, ext: setuptools.Extension) -> None:
        """Build one extension."""
        if isinstance(ext, CppExtension | CUDAExtension):
            target = Path(self.get_ext_fullpath(ext.name))
            ext.native.build(target.parent, verbose=bool(self.verbose))
        else:
            super().build_extension(ext)

    def copy_extensions_to_source(self) -> None:
        """For an editable installation: also copy the second file of an extension."""
        super().copy_extensions_to_source()
        for built, wanted in self._second_files():
            shutil.copyfile(built, wanted)

    def get_outputs(self) -> list[str]:
        """All files that are built."""
        second = [source if self.inplace else built for built, source in self._second_files()]
        return [*super().get_outputs(), *map(os.fspath, second)]

    def get_source_files(self) -> list[str]:
        """What goes into an sdist: headers too."""
        found = list(super().get_source_files())
        for native in self._natives():
            for path in native.user_files():
                relative = os.path.relpath(path)
                if relative not in found and not relative.startswith(os.pardir):
                    found.append(relative)
        return found

    def _natives(self) -> list[NativeExtension]:
        return [
            ext.native
            for ext in self.extensions or ()
            if isinstance(ext, CppExtension | CUDAExtension)
        ]

    def _second_files(self) -> list[tuple[Path, Path]]:
        """Where the second files of extensions are built, and where they go in the source."""
        build_py = self.get_finalized_command("build_py")
        found = []
        for native in self._natives():
            package = native.name.rpartition(".")[0]
            for file in native.files[1:]:
                built = Path(self.build_lib, native.path_in_package(file))
                found.append((built, Path(build_py.get_package_dir(package), file)))
        return found


@final
class BuildWheel(bdist_wheel):
    """The command bdist_wheel, tagged for the platform and for every Python 3.

    For packages all of whose extensions are ours; with others the tag is setuptools' own.
    """

    def get_tag(self) -> tuple[str, str, str]:
        """The three parts of the wheel's tag."""
        extensions = self.distribution.ext_modules or ()
        tag = super().get_tag()
        if extensions and all(isinstance(e, CppExtension | CUDAExtension) for e in extensions):
            python, abi, _ = wheel_tag().split("-")
            return python, abi, tag[2]
        return tag
