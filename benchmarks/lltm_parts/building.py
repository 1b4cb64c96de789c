"""How long a loader takes: cold into an empty folder, and in a new process when it is built."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.peers import installed
from harness.rounds import table

__all__ = ["report"]

COLD = 3
WARM = 9
BENCHMARKS = Path(__file__).resolve().parent.parent
SOURCES = BENCHMARKS.parent / "examples" / "lltm" / "lltm"

# In a process of its own: the call alone is timed, the imports are not. CPU time is that of the
# compiler's processes too.
_TIMED = """
import json, resource, time
def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
{imports}
wall, spent = time.perf_counter(), cpu()
{call}
print(json.dumps([time.perf_counter() - wall, cpu() - spent]))
"""
_GRADION = _TIMED.format(
    imports="from gradion.extension import load",
    call="load('lltm', {source!r}, flags=['-fno-trapping-math']).target('LltmForward')",
)
_TORCH = _TIMED.format(
    imports="from torch.utils.cpp_extension import load",
    call="load('lltm', [{source!r}], extra_cflags=['-O3', '-march=native']).forward",
)


@dataclass(frozen=True)
class Loader:
    """A loader: its program, and the environment variable that names its folder."""

    name: str
    program: str
    folder_variable: str


LOADERS = (
    Loader(
        "gradion.extension.load",
        _GRADION.format(source=str(SOURCES / "lltm.cc")),
        "GRADION_CACHE",
    ),
    Loader(
        "torch.utils.cpp_extension.load",
        _TORCH.format(source=str(BENCHMARKS / "lltm_torch" / "lltm.cpp")),
        "TORCH_EXTENSIONS_DIR",
    ),
)


def timed(loader: Loader, folder: str) -> list[float]:
    """Time of the clock and CPU time [s] of one call in a new process."""
    # torch finds ninja on the path, where the environment that runs this has it.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-c", loader.program],
        env={**os.environ, "PATH": path, loader.folder_variable: folder},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, samples: list[list[float]], unit: float) -> list[str]:
    """Medians, and the least in brackets; `unit` is that of the figures in seconds."""
    columns = [[value / unit for value in column] for column in zip(*samples, strict=True)]
    return [name] + [f"{statistics.median(c):.2f} ({min(c):.2f})" for c in columns]


def report() -> None:
    """Print the table of each loader, whose turns alternate."""
    loaders = [each for each in LOADERS if "torch" not in each.name or "torch" in installed()]
    cold: dict[str, list[list[float]]] = {each.name: [] for each in loaders}
    warm: dict[str, list[list[float]]] = {each.name: [] for each in loaders}
    with tempfile.TemporaryDirectory() as room:
        for number in range(COLD):
            for each in loaders:
                cold[each.name].append(timed(each, f"{room}/{each.folder_variable}-{number}"))
        for _ in range(WARM):
            for each in loaders:
                warm[each.name].append(timed(each, f"{room}/{each.folder_variable}-0"))
    print("Build of the LLTM extension, median (least): the call alone, imports not counted")
    print()
    rows = [row(f"{each.name}, cold [s]", cold[each.name], 1.0) for each in loaders]
    rows += [row(f"{each.name}, new process [ms]", warm[each.name], 1e-3) for each in loaders]
    table(["", "wall", "CPU"], rows)
