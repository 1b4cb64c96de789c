"""Write PyBaMM's SPM and SPMe discharges on a refined mesh, as an oracle for ours.

Run with a Python that has PyBaMM: ``python tools/oracles/single_particle.py OUTPUT.json``.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

SETS = {"chen2020": "Chen2020", "marquis2019": "Marquis2019"}
MODELS = ("SPM", "SPMe")
POINTS = 200  # in each particle and each layer
END = 3500.0
RTOL, ATOL = 1e-9, 1e-10


def solve(set_name: str, model: str, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return times [s] and terminal voltage [V] of a 1C discharge."""
    os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"
    import pybamm

    simulation = pybamm.Simulation(
        getattr(pybamm.lithium_ion, model)(),
        parameter_values=pybamm.ParameterValues(SETS[set_name]),
        C_rate=1,
        var_pts=dict.fromkeys(("x_n", "x_s", "x_p", "r_n", "r_p"), points),
        solver=pybamm.IDAKLUSolver(rtol=RTOL, atol=ATOL),
    )
    times = np.linspace(0.0, END, 71)
    solution = simulation.solve([0, END], t_interp=times)
    return times, np.asarray(solution["Terminal voltage [V]"](times))


def oracle() -> dict[str, Any]:
    """Return all discharges with what made them."""
    import pybamm

    curves = {}
    for set_name in SETS:
        for model in MODELS:
            times, voltage = solve(set_name, model)
            curves[f"{set_name} {model}"] = {
                "time_s": times.tolist(),
                "voltage_V": np.round(voltage, 8).tolist(),
            }
    return {
        "program": "PyBaMM",
        "version": pybamm.__version__,
        "command": "python tools/oracles/single_particle.py OUTPUT.json",
        "date": datetime.date.today().isoformat(),
        "settings": {"points": POINTS, "rtol": RTOL, "atol": ATOL, "C_rate": 1},
        "curves": curves,
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(oracle(), indent=1) + "\n")
