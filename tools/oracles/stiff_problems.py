"""Write SUNDIALS' solutions of two stiff problems, as an oracle for our integrator.

Run with a Python that has scikit-sundae: ``python tools/oracles/stiff_problems.py OUTPUT.json``.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

RTOL, ATOL = 1e-10, 1e-14
ROBERTSON = (0.04, 1e4, 3e7)
STIFFNESS = 50.0


def _robertson(_t: float, u: np.ndarray, up: np.ndarray, res: np.ndarray) -> None:
    a, b, c = ROBERTSON
    rate = -a * u[0] + b * u[1] * u[2]
    res[0] = up[0] - rate
    res[1] = up[1] + rate + c * u[1] ** 2
    res[2] = u[0] + u[1] + u[2] - 1.0


def _van_der_pol(_t: float, u: np.ndarray, du: np.ndarray) -> None:
    du[0] = u[1]
    du[1] = STIFFNESS * (1.0 - u[0] ** 2) * u[1] - u[0]


def cases() -> dict[str, Any]:
    """Return times, start values and states of both problems."""
    from sksundae.cvode import CVODE
    from sksundae.ida import IDA

    t_r = np.array([0.0, 0.4, 4.0, 40.0, 400.0, 4000.0])
    ida = IDA(_robertson, rtol=RTOL, atol=ATOL, algebraic_idx=[2], max_num_steps=100000)
    robertson = ida.solve(t_r, np.array([1.0, 0.0, 0.0]), np.array([-0.04, 0.04, 0.0]))
    t_v = np.linspace(0.0, 100.0, 11)
    cvode = CVODE(_van_der_pol, rtol=RTOL, atol=ATOL, method="BDF", max_num_steps=100000)
    oscillator = cvode.solve(t_v, np.array([2.0, 0.0]))
    return {
        "robertson": {
            "program": "IDA",
            "parameters": list(ROBERTSON),
            "u0": [1.0, 0.0, 0.0],
            "times": t_r.tolist(),
            "states": np.asarray(robertson.y).tolist(),
        },
        "van_der_pol": {
            "program": "CVODE, BDF",
            "parameters": [STIFFNESS],
            "u0": [2.0, 0.0],
            "times": t_v.tolist(),
            "states": np.asarray(oscillator.y).tolist(),
        },
    }


def oracle() -> dict[str, Any]:
    """Return the cases with what made them."""
    import sksundae

    return {
        "program": "SUNDIALS through scikit-sundae",
        "version": sksundae.__version__,
        "command": "python tools/oracles/stiff_problems.py OUTPUT.json",
        "date": datetime.date.today().isoformat(),
        "settings": {"rtol": RTOL, "atol": ATOL},
        "cases": cases(),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(oracle(), indent=1) + "\n")
