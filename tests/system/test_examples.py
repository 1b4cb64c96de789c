"""The examples run, at small size where they are large."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) < 100


def test_simulate_discharge(tmp_path):
    out = _run(str(ROOT / "examples" / "simulate_discharge.py"), "a.png", cwd=tmp_path)
    assert out.count("lower voltage limit of 3 V reached") == 3
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_fit_enertech(tmp_path):
    last = _run(str(ROOT / "examples" / "fit_enertech.py"), cwd=tmp_path).splitlines()[-1]
    before, after = (float(word) for word in last.split() if word[0].isdigit())
    assert after < 0.5 * before


def test_enertech_on_a_coarse_mesh(tmp_path):
    """The fit file of the example with the model cut down to what compiles fast."""
    folder = ROOT / "examples" / "enertech"
    text = (folder / "fit.toml").read_text()
    text = text.replace('kind = "SPMe"', 'kind = "SPM"\nmesh = { n_r = 4 }')
    text = text.replace('thermal = "lumped"', 'thermal = "isothermal"')
    path = tmp_path / "fit.toml"
    path.write_text(text.replace('file = "', f'file = "{folder.as_posix()}/'))
    command = Path(sys.executable).parent / "gradion"
    done = subprocess.run(
        [str(command), "fit", str(path), "--output", str(tmp_path / "out"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    # Status 1 says that it has not converged, which an SPM at 2C need not.
    assert done.returncode == (0 if result["converged"] else 1), done.stderr
    assert result["cost_after"] < result["cost_before"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
