"""Discharge a pouch cell at three rates and draw the curves.

python examples/simulate_discharge.py [FIGURE.png]
"""

import sys

from matplotlib.figure import Figure

from gradion.cell.models import SPMe, build_cell
from gradion.cell.parameters import load_parameters
from gradion.cell.protocols import ConstantCurrent
from gradion.cell.simulation import simulate


def main(path: str) -> None:
    model = SPMe(build_cell(load_parameters("ai2020")))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for rate in (0.5, 1.0, 2.0):
        # The first rate compiles the model, the others take milliseconds.
        result = simulate(model, ConstantCurrent.at_c_rate(model.cell, rate)).check()
        data = result.dataset
        axes.plot(data["capacity"], data["voltage"], label=f"{rate:g}C")
        capacity, warmest = float(data["capacity"][-1]), float(data["temperature"].max())
        print(f"{rate:g}C: {capacity:.3f} A h, at most {warmest:.1f} K; {result.reason}")
    axes.set_xlabel("charge drawn [A h]")
    axes.set_ylabel("voltage [V]")
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "discharge.png")
