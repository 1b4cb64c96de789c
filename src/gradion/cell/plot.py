"""The figure of a run."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradion.cell.figure_style import COLOURS, INK, finish_axes, new_figure

__all__ = ["plot_simulation"]

_LOSSES = ("reaction", "concentration", "electrolyte_ohmic", "solid_ohmic", "contact")


def plot_simulation(dataset: xr.Dataset) -> Figure:
    """Voltage, temperature, losses stacked, and concentrations of a run, in six panels."""
    figure = new_figure(11.5, 6.4)
    panels = figure.subplots(2, 3)
    _voltage(panels[0, 0], dataset)
    _losses(panels[0, 1], dataset)
    _over_time(panels[0, 2], dataset, "temperature", "temperature [K]", "Temperature")
    _profiles(panels[1, 0], dataset, "c_s_negative", "r_negative", "Negative particle", 1e6)
    _profiles(panels[1, 1], dataset, "c_s_positive", "r_positive", "Positive particle", 1e6)
    _profiles(panels[1, 2], dataset, "c_e", "x", "Electrolyte", 1e6)
    attrs = dataset.attrs
    figure.suptitle(
        f"{attrs['model']}, {attrs['current_A']:.4g} A ({attrs['c_rate']:.3g}C): {attrs['reason']}",
        color=INK,
        fontsize=11,
        x=0.01,
        ha="left",
    )
    return figure


def _voltage(axes: Axes, dataset: xr.Dataset) -> None:
    capacity = dataset["capacity"]
    axes.plot(capacity, dataset["open_circuit"], color=COLOURS[5], lw=1.2, ls="--", label="open")
    axes.plot(capacity, dataset["voltage"], color=COLOURS[0], lw=1.8, label="terminal")
    axes.legend(frameon=False, fontsize=8)
    finish_axes(axes, x="charge drawn [A h]", y="voltage [V]", title="Voltage")


def _losses(axes: Axes, dataset: xr.Dataset) -> None:
    """Losses as positive [mV], stacked: their sum is open circuit minus terminal voltage."""
    shown = [n for n in _LOSSES if float(np.max(np.abs(dataset[n]))) > 1e-6]
    stack = [-1e3 * dataset[name].values for name in shown]
    if stack:
        labels = [name.replace("_", " ") for name in shown]
        axes.stackplot(dataset["capacity"], *stack, labels=labels, colors=COLOURS, alpha=0.85)
        axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
        axes.set_ylim(0.0, 1.35 * float(np.max(np.sum(stack, axis=0))))
    finish_axes(axes, x="charge drawn [A h]", y="loss [mV]", title="Losses")


def _over_time(axes: Axes, dataset: xr.Dataset, name: str, label: str, title: str) -> None:
    axes.plot(dataset["time"] / 60.0, dataset[name], color=COLOURS[1], lw=1.8)
    axes.ticklabel_format(useOffset=False)
    finish_axes(axes, x="time [min]", y=label, title=title)


def _profiles(
    axes: Axes, dataset: xr.Dataset, name: str, position: str, title: str, scale: float
) -> None:
    """Profiles at five times, from light (start) to dark (end)."""
    times = dataset["time"].values
    for step, fraction in enumerate(np.linspace(0.0, 1.0, 5)):
        row = int(np.argmin(np.abs(times - fraction * times[-1])))
        axes.plot(
            dataset[position] * scale,
            dataset[name][row] / 1e3,
            color=COLOURS[0],
            alpha=0.25 + 0.1875 * step,
            lw=1.5,
            marker="o" if dataset[position].size == 1 else "",
            label=f"{times[row] / 60.0:.0f} min",
        )
    axes.legend(frameon=False, fontsize=7)
    along = "radius [um]" if position.startswith("r_") else "position [um]"
    finish_axes(axes, x=along, y="concentration [mol/L]", title=title)
