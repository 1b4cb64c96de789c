"""The call of the compiler."""

from __future__ import annotations

import dataclasses
import errno
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, final

from gradion.extension.ffi_version import VERSION_UNIT
from gradion.extension.toolchain import Compiler
from gradion.foundation.errors import InputError

__all__ = ["OWN_HEADERS", "BuildError", "BuildJob", "BuildReport", "compile_library"]

# What every extension may include of gradion: `#include "gradion/parallel.h"`.
OWN_HEADERS: Final = Path(__file__).with_name("include")

# Less than this, and the compiler failed for want of room, whatever its words.
_FULL_DISK_BYTES = 1 << 20


class BuildError(InputError):
    """The compiler does not accept the sources.

    `str(error)` is one line. A traceback shows the compiler's own lines after it, once; they are
    in `output`, and the command that gave them in `command`.
    """

    command: tuple[str, ...]
    output: str

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        mend: str | None = None,
        command: Sequence[str] = (),
        output: str = "",
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.command = tuple(command)
        self.output = output
        if command:
            self.add_note(f"$ {shlex.join(command)}\n{output.rstrip()}")

    def __reduce__(self) -> tuple[object, ...]:
        """Copy across processes, with the compiler's lines."""
        return _rebuild, (self.what, self.where, self.mend, self.command, self.output)


@final
@dataclasses.dataclass(frozen=True)
class BuildJob:
    """A library to be built: all that the command says, but for where its output goes.

    `flags` stand before the sources, `last_flags` (the user's, and what must come after these)
    behind: a library to be linked must come after what needs it.
    """

    name: str
    compiler: Compiler
    sources: tuple[Path, ...]
    flags: tuple[str, ...]
    last_flags: tuple[str, ...]
    headers: Path
    for_cuda: bool = False

    def command(self, inputs: Sequence[Path], output: Path, *extra: str) -> tuple[str, ...]:
        """The words of one call of the compiler."""
        return (
            *self.compiler.command,
            *self.flags,
            *extra,
            *map(str, inputs),
            # System headers: their warnings are none of the user's. After the user's -I, which
            # compilers search first wherever it stands.
            *("-isystem", str(self.headers), "-isystem", str(OWN_HEADERS)),
            *self.last_flags,
            *("-o", str(output)),
        )


@final
@dataclasses.dataclass(frozen=True)
class BuildReport:
    """What was run, how long it took, and what the compiler said (warnings)."""

    commands: tuple[tuple[str, ...], ...]
    seconds: float
    output: str


def compile_library(job: BuildJob, output: Path, *, verbose: bool) -> BuildReport:
    """Compile and link a library to the file `output`, in whose folder intermediate files go.

    One call compiles one source with the unit that says the FFI version; several sources are
    compiled side by side. With `verbose`, commands, time and warnings go to stderr.
    Raises BuildError if the compiler refuses, and OSError if the disk is full.
    """
    start = time.perf_counter()
    room = output.parent
    (room / "tmp").mkdir()
    unit = room / "gradion_ffi_version.cc"
    unit.write_text(VERSION_UNIT, encoding="ascii")
    if len(job.sources) == 1 or job.for_cuda:
        commands = [job.command([*job.sources, unit], output)]
        said = _run(job, commands[0], room, verbose=verbose)
    else:
        inputs = [*job.sources, unit]
        objects = [room / f"{number}.o" for number in range(len(inputs))]
        commands = [
            job.command([source], target, "-c")
            for source, target in zip(inputs, objects, strict=True)
        ]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            said = "".join(
                pool.map(lambda command: _run(job, command, room, verbose=verbose), commands)
            )
        commands.append(job.command(objects, output))
        said += _run(job, commands[-1], room, verbose=verbose)
    seconds = time.perf_counter() - start
    if verbose:
        print(f"{job.name}: built in {seconds:.1f} s", file=sys.stderr)
    return BuildReport(tuple(commands), seconds, said)


def _run(job: BuildJob, command: tuple[str, ...], room: Path, *, verbose: bool) -> str:
    """Run one command and return what it says; its temporary files go where they are removed."""
    if verbose:
        print(f"{job.name}: {shlex.join(command)}", file=sys.stderr)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(room / "tmp")},
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(
            f"the compiler {command[0]} does not run ({error.strerror})",
            where=f"extension {job.name!r}",
            mend="it ran before: install it again",
        ) from None
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        if verbose and said:
            print(said, end="", file=sys.stderr)
        return said
    if _is_full(room, said):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(room))
    status = done.returncode
    ended = f"was ended by signal {-status}" if status < 0 else f"stopped with exit status {status}"
    raise BuildError(
        f"the compiler {ended}",
        where=f"extension {job.name!r}",
        mend="its lines follow, with file and line" if said else "it said nothing",
        command=command,
        output=said,
    )


def _is_full(room: Path, said: str) -> bool:
    texts = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]
    if any(text in said for text in texts):
        return True
    status = os.statvfs(room)
    return status.f_bavail * status.f_frsize < _FULL_DISK_BYTES


def _rebuild(
    what: str, where: str | None, mend: str | None, command: tuple[str, ...], output: str
) -> BuildError:
    return BuildError(what, where=where, mend=mend, command=command, output=output)
