"""The main job at full size: the goals of the Enertech fit, on the project's and on all points."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.cell.fit_setup import build_model, trapezoid_weights
from gradion.cell.io.fit_file import read_fit_file
from gradion.cell.observables import DischargePoints, DischargeVoltage
from gradion.module import load_state

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "examples" / "enertech" / "fit.toml"
# Largest root mean square over time, from 2 s on [mV]; 2C is not fitted.
GOALS = {"0.5C": 8.0, "1C": 8.0, "2C": 22.0}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make demo` would write."""
    out = tmp_path_factory.mktemp("enertech") / "out"
    command = Path(sys.executable).parent / "gradion"
    done = subprocess.run(
        [str(command), "fit", str(FILE), "--output", str(out), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return out


@pytest.fixture(scope="module")
def numbers(report: Path) -> Any:
    return json.loads((report / "parameters.json").read_text())


def test_all_files_are_there(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert "<script src" not in page
    assert 'src="http' not in page
    for name in ("state.safetensors", "curves.png", "residuals.png", "correlation.png"):
        assert (report / name).stat().st_size > 1000


def test_goals_on_the_thinned_curves(numbers: Any) -> None:
    assert numbers["converged"]
    for curve in numbers["curves"]:
        assert curve["rms_after"] < 1e-3 * GOALS[curve["name"]], curve


def test_fitted_parameters_are_identifiable_and_the_others_are_said(numbers: Any) -> None:
    verdicts = {p["label"]: p["verdict"] for p in numbers["parameters"]}
    assert len(verdicts) == 7
    assert set(verdicts.values()) <= {"identifiable", "weakly identifiable"}
    (held,) = numbers["held"]
    assert held["label"] == "cell.positive.D_s.value"
    assert held["reason"]


@pytest.mark.reference
def test_goals_on_the_full_measured_curves(report: Path, reference_folder: Path) -> None:
    file = read_fit_file(FILE)
    model = build_model(file)
    load_state(model, report / "state.safetensors")
    nominal = float(model.cell.nominal_capacity)
    for name, goal in GOALS.items():
        path = reference_folder / "cell" / "enertech" / f"{name}_discharge_U.txt"
        times, measured = np.loadtxt(path).T
        times, measured = times[times >= 2.0], measured[times >= 2.0]
        # Every tenth datum and the last: the curve is smooth, the quadrature is not touched.
        keep = np.unique(np.append(np.arange(0, times.size, 10), times.size - 1))
        times, measured = times[keep], measured[keep]
        current = nominal * float(name.removesuffix("C"))
        points = DischargePoints(current=jnp.asarray(current), times=jnp.asarray(times))
        error = np.asarray(DischargeVoltage().predict(model, points)) - measured
        weights = trapezoid_weights(times)
        rms = 1e3 * np.sqrt(weights @ error**2 / weights.sum())
        print(f"{name}: {rms:.2f} mV over {times.size} points, goal {goal}")
        assert rms < goal, (name, rms)
