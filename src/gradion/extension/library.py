"""Built libraries, and their handlers as targets that XLA can call."""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import jax

from gradion.extension.build_plan import NO_NVCC, BuildPlan, cpp_plan, cuda_plan
from gradion.extension.built_library import open_library, realise
from gradion.extension.ffi_version import check_version, library_version
from gradion.extension.flags import Flags, as_flags
from gradion.extension.sources import source_paths
from gradion.foundation.errors import InputError, near_names

__all__ = ["Library", "SymbolNotFoundError", "Target", "load", "load_prebuilt"]

# What JAX calls the platform where a handler is registered.
_JAX_NAMES = {"cpu": "cpu", "cuda": "CUDA"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDENTIFIER = re.compile(rb"(?<![\w.])[A-Za-z]\w{2,}(?=\0)")
_KEY_LETTERS = 12

_Sources = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_libraries: dict[tuple[str, str], Library] = {}
_lock = threading.RLock()


def _new_lock() -> None:
    """In a forked child nobody is left to release the lock that a thread of the parent held."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_new_lock)


class SymbolNotFoundError(InputError):
    """A library has no symbol of this name."""


@final
@dataclasses.dataclass(frozen=True)
class Target:
    """A handler that is registered with XLA.

    `name` is what `jax.ffi.ffi_call` takes; it carries a digest of the library, so that a changed
    source has another. `symbol` is the handler's name in the source. `platforms` are those it runs
    on, of "cpu" and "cuda"; `missing` says for the others, in a line each, why not.
    """

    name: str
    symbol: str
    platforms: frozenset[str]
    missing: tuple[str, ...] = dataclasses.field(default=(), compare=False)


@final
@dataclasses.dataclass(frozen=True)
class _File:
    """A library that is opened, and where it lies."""

    path: Path
    opened: ctypes.CDLL

    def handler(self, symbol: str) -> object | None:
        # The loader also searches what the library is linked with; handlers are in no such place.
        return getattr(self.opened, symbol, None)


@final
class Library:
    """A built library, on one platform or two, from which handlers are taken by name.

    `name` is the extension's, `key` a digest of all that it was built from (of its files, where
    it was built ahead of time), and `paths` has the file for each platform. Two libraries of the
    same name and key are one object.
    """

    def __init__(
        self, name: str, key: str, files: Mapping[str, _File], missing: tuple[str, ...]
    ) -> None:
        self.name = name
        self.key = key
        self._files = dict(files)
        self._missing = missing
        self._targets: dict[str, Target] = {}

    @property
    def platforms(self) -> frozenset[str]:
        """The platforms that there is a file for."""
        return frozenset(self._files)

    @property
    def paths(self) -> Mapping[str, Path]:
        """The file for each platform."""
        return {platform: file.path for platform, file in self._files.items()}

    def target(self, symbol: str) -> Target:
        """The handler of this name, registered with XLA for each platform whose file has it.

        `symbol` is the first argument of XLA_FFI_DEFINE_HANDLER_SYMBOL. Asking again returns the
        same target. Raises SymbolNotFoundError, with near names, if no file has it.
        """
        if not isinstance(symbol, str):
            raise TypeError(f"symbol: got {symbol!r}, expected the name of a handler")
        with _lock:
            if symbol not in self._targets:
                self._targets[symbol] = self._register(symbol)
            return self._targets[symbol]

    def __repr__(self) -> str:
        """Name, key and platforms."""
        on = ", ".join(sorted(self._files))
        return f"Library({self.name!r}, key={self.key[:_KEY_LETTERS]}, platforms={on})"

    def _register(self, symbol: str) -> Target:
        handlers = {}
        missing = list(self._missing)
        for platform, file in self._files.items():
            handler = file.handler(symbol)
            if handler is None:
                missing.append(f"{platform}: {file.path.name} has no symbol {symbol!r}")
            else:
                handlers[platform] = handler
        if not handlers:
            raise self._no_symbol(symbol)
        name = f"gradion.{self.name}.{symbol}.{self.key[:_KEY_LETTERS]}"
        for platform, handler in handlers.items():
            jax.ffi.register_ffi_target(
                name, jax.ffi.pycapsule(handler), platform=_JAX_NAMES[platform]
            )
        return Target(name, symbol, frozenset(handlers), tuple(missing))

    def _no_symbol(self, symbol: str) -> SymbolNotFoundError:
        near = near_names(symbol, self._identifiers())
        hint = "did you mean " + " or ".join(map(repr, near)) + "? " if near else ""
        lacking = "".join(f" ({reason})" for reason in self._missing)
        return SymbolNotFoundError(
            f"there is no symbol {symbol!r} for {' or '.join(sorted(self._files))}{lacking}",
            where=f"extension {self.name!r}",
            mend=hint + "A handler is exported by "
            f"XLA_FFI_DEFINE_HANDLER_SYMBOL({symbol}, ...), outside of a namespace, and not "
            "within a pragma that hides it",
        )

    def _identifiers(self) -> set[str]:
        """Names in the files that may be those of symbols: enough to suggest one."""
        found = set()
        for file in self._files.values():
            for word in set(_IDENTIFIER.findall(file.path.read_bytes())):
                name = word.decode()
                if not name.startswith("gradion_") and file.handler(name) is not None:
                    found.add(name)
        return found


def load(
    name: str,
    sources: _Sources,
    *,
    cuda_sources: _Sources | None = None,
    flags: Sequence[str] | Flags | None = None,
    verbose: bool = False,
) -> Library:
    """Build C++ files that hold XLA FFI handlers, or take the library from the cache; load it.

    `name` is a C identifier; it names the library in the cache and begins the names of targets.
    `sources` are files that include "xla/ffi/api/ffi.h"; `cuda_sources` are compiled by nvcc to
    a second library where there is one (they may be the same files). `flags` are further flags,
    which win over ours: a sequence for the C++ compiler, or Flags for both. With `verbose`
    commands, times and warnings go to stderr.

    Built for this processor; NaN and infinity keep their meaning. The result is taken from the
    cache while sources, headers of their own that they include, flags, compiler, processor and
    version of the FFI stay the same; a changed file is seen by the next call, and its targets
    have new names. Threads and processes may call this at the same time.

    Raises ValueError or TypeError for wrong arguments, InputError for a file that is missing and
    for a flag that switches finite math on, CompilerNotFoundError, and BuildError with the
    compiler's lines.
    """
    _check_name(name)
    where = f"load({name!r})"
    cpp_files = source_paths(sources, where=where, argument="sources")
    cuda_files = source_paths(
        () if cuda_sources is None else cuda_sources, where=where, argument="cuda_sources"
    )
    wanted = as_flags(flags)
    for path in cpp_files:
        if path.suffix == ".cu":
            raise InputError(
                f"sources: {path.name} is CUDA", where=where, mend="give it as cuda_sources"
            )
    if not cpp_files and not cuda_files:
        raise ValueError(f"{where}: got no sources, expected one file or more")
    with _lock:
        plans: list[BuildPlan] = []
        missing: tuple[str, ...] = ()
        if cpp_files:
            plans.append(cpp_plan(name, cpp_files, wanted, portable=False))
        if cuda_files:
            plan = cuda_plan(name, cuda_files, wanted, portable=False)
            if plan is None and not cpp_files:
                raise InputError(
                    f"there are only cuda_sources, and {NO_NVCC}",
                    where=where,
                    mend="install the CUDA toolkit, or give sources for the CPU",
                )
            if plan is None:
                missing = (f"cuda: {NO_NVCC}",)
            else:
                plans.append(plan)
        built = {plan.platform: realise(plan, verbose=verbose) for plan in plans}
        files = {platform: _File(path, opened) for platform, (path, _, opened) in built.items()}
        return _library(name, [key for _, key, _ in built.values()], files, missing)


def load_prebuilt(path: str | os.PathLike[str], *, unchecked: bool = False) -> Library:
    """Load a library that was built ahead of time, `<name>.so`, and `<name>.cuda.so` beside it.

    Either may be missing. In a package: `load_prebuilt(Path(__file__).with_name("lltm.so"))`.
    The version of the FFI that each was built with is compared with that of the running jaxlib;
    `unchecked` takes a library that does not say it (gradion's build hooks see to it).

    Raises InputError if there is no such file, if it cannot be opened, and if the running jaxlib
    would refuse it.
    """
    given = Path(path).absolute()
    stem = given.name.removesuffix(".so").removesuffix(".cuda")
    _check_name(stem)
    candidates = {
        "cpu": given.with_name(f"{stem}.so"),
        "cuda": given.with_name(f"{stem}.cuda.so"),
    }
    paths = {platform: file for platform, file in candidates.items() if file.is_file()}
    if not paths:
        raise InputError(
            f"there is no built library {candidates['cpu'].name} nor {candidates['cuda'].name}",
            where=str(given.parent),
            mend="install the package with its build hook, or build from source by load()",
        )
    with _lock:
        keys = []
        for file in paths.values():
            with file.open("rb") as stream:
                keys.append(hashlib.file_digest(stream, "sha256").hexdigest())
        files = {platform: _File(file, open_library(file)) for platform, file in paths.items()}
        missing = tuple(
            f"{platform}: there is no file {file.name}"
            for platform, file in candidates.items()
            if platform not in paths
        )
        return _library(stem, keys, files, missing, unchecked=unchecked)


def _library(
    name: str,
    keys: Sequence[str],
    files: Mapping[str, _File],
    missing: tuple[str, ...],
    *,
    unchecked: bool = False,
) -> Library:
    """The library of these files: the one there is, or a new one whose versions are checked."""
    key = keys[0] if len(keys) == 1 else hashlib.sha256("".join(keys).encode()).hexdigest()
    if (name, key) not in _libraries:
        for file in files.values():
            version = library_version(file.opened)
            if version is not None or not unchecked:
                check_version(version, file.path)
        _libraries[name, key] = Library(name, key, files, missing)
    return _libraries[name, key]


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name: got {name!r}, expected a string")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"name: got {name!r}, expected letters, digits and _, no digit first: "
            "it names a file and begins the names of targets"
        )
