"""Kernels: operations of a package's own in native code, each beside its reference in JAX."""

from __future__ import annotations

import importlib
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, final

from jax.typing import DTypeLike

from gradion.extension.build_plan import BuildPlan, cpp_plan
from gradion.extension.built_library import find_built
from gradion.extension.check_report import CheckReport
from gradion.extension.flags import Flags
from gradion.extension.library import Library, Target, load
from gradion.extension.operator import Operator
from gradion.extension.toolchain import CompilerNotFoundError
from gradion.foundation.errors import InputError

__all__ = ["Kernel", "NativeTargets", "find_kernels"]

# Where the packages of kernels lie, seen from their owner.
_FOLDER = "kernels"
_warned_of_compiler = False


@final
class NativeTargets:
    """The handlers of a kernel as its declaration asks for them: None where nothing is built."""

    def __init__(self, library: Library | None) -> None:
        self._library = library

    def target(self, symbol: str) -> Target | None:
        """The handler of this name, or None."""
        return None if self._library is None else self._library.target(symbol)

    def by_dtype(self, symbols: Mapping[DTypeLike, str]) -> Mapping[DTypeLike, Target] | None:
        """Handlers for several dtypes, as `Operator` takes them, or None."""
        library = self._library
        if library is None:
            return None
        return {dtype: library.target(symbol) for dtype, symbol in symbols.items()}


class _Check(Protocol):
    """How a kernel is compared with its reference: `check_operator` on examples of its own."""

    def __call__(self, operator: Operator, *, verbose: bool) -> CheckReport: ...


@final
class Kernel:
    """An operation with a native source, built when it is first called.

    It is made in the `__init__.py` of its folder, `<owner>/kernels/<name>/`, as the constant
    KERNEL: `Kernel(__file__, __name__, declare=..., check=...)`. The source is `<name>.cc` in the
    same folder, and the reference stands in `reference.py`. `declare` returns the Operator, which
    must have a reference: where nothing can be built, because there is no compiler or it refuses,
    the operator is that reference, and a warning says so (one for all kernels where there is no
    compiler). `check` calls `check_operator` with examples.

    Raises InputError if the source is missing.
    """

    def __init__(
        self,
        file: str,
        module: str,
        *,
        declare: Callable[[NativeTargets], Operator],
        check: _Check,
    ) -> None:
        folder = Path(file).resolve().parent
        self.source = folder / f"{folder.name}.cc"
        if not self.source.is_file():
            raise InputError(
                f"there is no source {self.source.name}",
                where=str(folder),
                mend="a kernel's source has the name of its folder",
            )
        parts = module.split(".")
        self.name = ".".join(part for part in parts[1:] if part != _FOLDER)
        self._declare = declare
        self._check = check
        self._operator: Operator | None = None
        self._lock = threading.Lock()
        # A forked child has no thread that would release it.
        os.register_at_fork(after_in_child=self._renew_lock)

    def __repr__(self) -> str:
        """Return the name."""
        return f"Kernel({self.name!r})"

    @property
    def library_name(self) -> str:
        """What its builds are called in the cache."""
        return self.name.replace(".", "_")

    @property
    def operator(self) -> Operator:
        """The operator; built when it is first asked for."""
        if self._operator is None:
            with self._lock:
                if self._operator is None:
                    self._operator = self._declare(NativeTargets(self._library_or_none()))
        return self._operator

    def __call__(self, *arguments: Any, **attributes: Any) -> Any:
        """Call the operator."""
        return self.operator(*arguments, **attributes)

    def build(self, *, verbose: bool = False) -> Library:
        """The library, from the cache or built. Raises what `load` raises."""
        return load(self.library_name, self.source, verbose=verbose)

    def built_file(self) -> Path | None:
        """The library in the cache, if it is there for this source, compiler and processor.

        Raises CompilerNotFoundError if there is no compiler: what is built depends on it.
        """
        return find_built(self._plan())

    def check(self, *, verbose: bool = True) -> CheckReport:
        """Compare the native code with the reference. Raises what `load` raises."""
        return self._check(self._declare(NativeTargets(self.build())), verbose=verbose)

    def _plan(self) -> BuildPlan:
        return cpp_plan(self.library_name, (self.source,), Flags(), portable=False)

    def _library_or_none(self) -> Library | None:
        global _warned_of_compiler
        try:
            return self.build()
        except CompilerNotFoundError as error:
            if not _warned_of_compiler:
                _warned_of_compiler = True
                _warn(
                    f"{error.what}; gradion's kernels run on their references in JAX, which "
                    f"are slower. To have them built, {error.mend}"
                )
        except InputError as error:
            # The compiler refuses, or what it made cannot be kept or opened.
            _warn(
                f"kernel {self.name}: {error.what}; it runs on its reference in JAX, which is "
                f"slower. `gradion kernels build {self.name}` shows why"
            )
        return None

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()


def find_kernels(package: str = "gradion") -> tuple[Kernel, ...]:  # string: any package
    """All kernels of an installed package, by name: the folders `kernels/<name>` in it.

    Imports them, and builds nothing. Raises AttributeError for such a folder without a KERNEL.
    """
    root = importlib.import_module(package)
    found: list[Kernel] = []
    for place in map(Path, root.__path__):
        for file in place.glob(f"**/{_FOLDER}/*/__init__.py"):
            parts = file.parent.relative_to(place).parts
            found.append(importlib.import_module(".".join((package, *parts))).KERNEL)
    return tuple(sorted(found, key=lambda kernel: kernel.name))


def _warn(what: str) -> None:
    warnings.warn(what, RuntimeWarning, stacklevel=5)
