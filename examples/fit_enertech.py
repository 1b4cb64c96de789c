"""Fit two parameters of a cell to its measured 1C discharge, with the library's own objects.

    python examples/fit_enertech.py

The command `gradion fit examples/enertech/fit.toml` does the whole example, with a report.
"""

from pathlib import Path

import jax.numpy as jnp

from gradion.cell.fit_setup import trapezoid_weights
from gradion.cell.io.discharge_csv import read_discharge
from gradion.cell.models import SPM, build_cell
from gradion.cell.observables import DischargePoints, DischargeVoltage
from gradion.cell.parameters import load_parameters
from gradion.fit import DataSet, Problem, fit

DATA = Path(__file__).resolve().parent / "enertech" / "discharge-1C.csv"


def main() -> None:
    # Isothermal and without electrolyte: the smallest model, which compiles fastest.
    model = SPM(build_cell(load_parameters("ai2020"), isothermal=True), n_r=8)
    curve = read_discharge(DATA).since(2.0)
    data = DataSet(
        name="1C",
        observable=DischargeVoltage(),
        inputs=DischargePoints(current=jnp.asarray(2.28), times=jnp.asarray(curve.time)),
        measured=curve.voltage,
        weights=trapezoid_weights(curve.time),
        sigma=5e-3,
        unit="V",
    )
    problem = Problem(
        model,
        ["cell.negative.initial_stoichiometry", "cell.positive.initial_stoichiometry"],
        [data],
        bounds={
            "cell.negative.initial_stoichiometry": (0.5, 0.999),
            "cell.positive.initial_stoichiometry": (0.35, 0.6),
        },
    )
    result = fit(problem)
    for entry in result.parameters:
        print(
            f"{entry.label}: {entry.start:.4g} -> {entry.fitted:.4f} +- {entry.standard_error:.2g}"
        )
    curve_after = result.datasets[0]
    print(f"rms: {1e3 * curve_after.rms_before:.1f} -> {1e3 * curve_after.rms_after:.1f} mV")


if __name__ == "__main__":
    main()
