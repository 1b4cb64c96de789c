"""A fit killed at any moment goes on to the same numbers, bit for bit."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

# That files are whole or not there. Equal bits after a resume: tests/unit/fit/test_checkpoint.py.
pytestmark = pytest.mark.any_version

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "gradion"
# Small, so that a run is mostly Python's start; two parameters, 1C as measured.
TOML = """\
[model]
kind = "SPM"
parameters = "ai2020"
thermal = "isothermal"
mesh = {{ n_r = 4 }}
[[data]]
file = "{data}"
c_rate = 1.0
[[parameter]]
name = "cell.negative.initial_stoichiometry"
bounds = [0.5, 0.999]
[[parameter]]
name = "cell.positive.active_fraction"
bounds = [0.4, 0.8]
[fit]
max_iterations = 60
"""


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """The fit file, and what a fit that is never interrupted writes."""
    folder = tmp_path_factory.mktemp("kill")
    data = ROOT / "examples" / "enertech" / "discharge-1C.csv"
    path = folder / "fit.toml"
    path.write_text(TOML.format(data=data.as_posix()))
    calm = folder / "calm"
    done = subprocess.run(_command(path, calm), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path, (calm / "parameters.json").read_bytes()


def test_three_kills(setting, tmp_path):
    _kill_and_resume(*setting, tmp_path / "out", kills=3, seed=1)


@pytest.mark.slow
def test_twenty_kills(setting, tmp_path):
    _kill_and_resume(*setting, tmp_path / "out", kills=20, seed=2)


def _kill_and_resume(path: Path, expected: bytes, out: Path, *, kills: int, seed: int) -> None:
    """Kill runs at random moments; every run that gets to its end must write what is expected."""
    draw = random.Random(seed)
    killed = 0
    while killed < kills:
        if _run_and_kill(path, out, iterations=draw.randrange(4), delay=0.06 * draw.random()):
            killed += 1
        else:
            # It was at its end before the kill: check, and begin again from the start.
            assert (out / "parameters.json").read_bytes() == expected
            for file in out.iterdir():
                file.unlink()
    done = subprocess.run(_command(path, out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (out / "parameters.json").read_bytes() == expected
    assert not [file for file in out.iterdir() if file.name.startswith(".parameters")]


def _run_and_kill(path: Path, out: Path, *, iterations: int, delay: float) -> bool:
    """Kill a run `delay` [s] after so many iterations; whether it was still running."""
    process = subprocess.Popen(
        _command(path, out), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        event = json.loads(line)
        seen += event["event"] == "iteration"
        # With none to wait for, the kill comes while the model is built or compiled.
        started = iterations == 0 and event.get("text", "").startswith("compiling")
        if started or seen > iterations > 0:
            break
    time.sleep(delay)
    was_running = process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()
    return was_running


def _command(path: Path, out: Path) -> list[str]:
    flags = ["--output", str(out), "--resume", "--json", "--no-plots"]
    return [str(COMMAND), "fit", str(path), *flags]
