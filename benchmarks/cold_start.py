"""How long the command takes from the shell: first run, and with compiled programs kept.

    python benchmarks/cold_start.py [--fit]

Times are wall clock, medians of the repeats; the first run of each has an empty cache. Run it on a
machine that does nothing else. With --fit the example fit is timed too, which takes minutes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).parent / "gradion"
IMPORTS = (("import jax", "import jax"), ("import gradion", "import gradion"))


def seconds(command: list[str], cache: Path) -> float:
    """Wall-clock time of a command [s]; RuntimeError if it fails."""
    environment = {**os.environ, "GRADION_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return time.perf_counter() - began


def main(arguments: list[str]) -> None:
    """Print the table."""
    rows: list[tuple[str, list[str]]] = [
        (name, [sys.executable, "-c", code]) for name, code in IMPORTS
    ]
    rows += [
        ("gradion --help", [str(COMMAND), "--help"]),
        ("gradion simulate --model SPM", [str(COMMAND), "simulate", "--model", "SPM"]),
        ("gradion simulate (SPMe)", [str(COMMAND), "simulate"]),
    ]
    if "--fit" in arguments:
        fit = str(ROOT / "examples" / "enertech" / "fit.toml")
        with tempfile.TemporaryDirectory() as out:
            rows.append(("gradion fit", [str(COMMAND), "fit", fit, "--overwrite", "--output", out]))
            report(rows)
    else:
        report(rows)


def report(rows: list[tuple[str, list[str]]]) -> None:
    """Time the commands, each first with an empty cache of its own."""
    print(f"{'command':32}{'first [s]':>12}{'again [s]':>12}")
    for name, command in rows:
        with tempfile.TemporaryDirectory() as cache:
            first = seconds(command, Path(cache))
            again = statistics.median(seconds(command, Path(cache)) for _ in range(REPEATS))
        print(f"{name:32}{first:12.2f}{again:12.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
