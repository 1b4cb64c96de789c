"""Figures of a fit to discharges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from gradion.cell.figure_style import COLOURS, INK, MUTED, finish_axes, new_figure
from gradion.fit import DataSetResult, FitResult, Role

__all__ = ["convergence_figure", "correlation_figure", "curves_figure", "residuals_figure"]

_BEFORE, _AFTER = COLOURS[5], COLOURS[0]


def curves_figure(result: FitResult) -> Figure:
    """Measured curves with the model before and after the fit, a panel for each."""
    sets = result.datasets
    figure, panels = _grid(len(sets), height=3.3)
    for axes, data in zip(panels, sets, strict=True):
        time, used = _minutes(data), _used(data)
        axes.plot(
            time, data.measured[used], "o", ms=3.2, mfc="none", mec=INK, mew=0.7, label="measured"
        )
        axes.plot(time, data.before[used], color=_BEFORE, lw=1.4, ls="--", label="before")
        axes.plot(time, data.after[used], color=_AFTER, lw=1.8, label="after")
        axes.legend(frameon=False, fontsize=8)
        quantity = "voltage [V]" if data.unit == "V" else "temperature [K]"
        finish_axes(axes, x="time [min]", y=quantity, title=_title(data))
        _limit_to_measured(axes, data)
    return figure


def residuals_figure(result: FitResult) -> Figure:
    """Model less measurement against time, a panel for each curve."""
    sets = result.datasets
    figure, panels = _grid(len(sets), height=2.9)
    for axes, data in zip(panels, sets, strict=True):
        time, used = _minutes(data), _used(data)
        scale, unit = (1e3, "mV") if data.unit == "V" else (1.0, data.unit)
        before = scale * (data.before - data.measured)[used]
        after = scale * (data.after - data.measured)[used]
        axes.axhline(0.0, color=MUTED, lw=0.8)
        axes.plot(time, before, color=_BEFORE, lw=1.1, ls="--", label="before")
        axes.plot(time, after, color=_AFTER, lw=1.5, label="after")
        # The last plunge, and a start far off, would flatten what is left after the fit.
        typical = [float(np.quantile(np.abs(values), 0.97)) for values in (before, after)]
        reach = max(min(1.3 * max(typical), 4.0 * typical[1]), 1e-3)
        axes.set_ylim(-reach, reach)
        axes.legend(frameon=False, fontsize=8)
        rms = f"{scale * data.rms_before:.1f} to {scale * data.rms_after:.1f} {unit} rms"
        label = f"model - measured [{unit}]"
        finish_axes(axes, x="time [min]", y=label, title=f"{data.name}: {rms}")
    return figure


def correlation_figure(result: FitResult, names: Sequence[str]) -> Figure:
    """Correlation of the parameters, from -1 (orange) to 1 (blue); `names` are their labels."""
    matrix = result.uncertainty.robust.correlation
    count = len(names)
    size = 2.6 + 0.52 * count
    figure = new_figure(size + 1.8, size)
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="RdBu", vmin=-1.0, vmax=1.0)
    for row in range(count):
        for column in range(count):
            value = matrix[row, column]
            text = f"{value:.2f}" if np.isfinite(value) else "-"
            colour = "white" if abs(value) > 0.6 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(count), names, rotation=40, ha="right", fontsize=8, color=INK)
    axes.set_yticks(range(count), names, fontsize=8, color=INK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.colorbar(image, shrink=0.75).ax.tick_params(labelsize=8, colors=MUTED)
    return figure


def convergence_figure(result: FitResult) -> Figure:
    """Cost and gradient over the iterations, one colour for each round of the fit."""
    figure = new_figure(9.6, 2.9)
    panels = figure.subplots(1, 2)
    first = 0
    for number in sorted({item.round for item in result.iterations}):
        rows = [item for item in result.iterations if item.round == number]
        steps = np.arange(first, first + len(rows))
        first += len(rows)
        colour = COLOURS[number % len(COLOURS)]
        label = "all parameters" if number == 0 else f"{number} held"
        style = {"color": colour, "lw": 1.5, "marker": "o", "ms": 3.0}
        panels[0].semilogy(steps, [item.cost for item in rows], label=label, **style)
        panels[1].semilogy(steps, [item.gradient_norm for item in rows], label=label, **style)
    panels[0].legend(frameon=False, fontsize=8)
    for axes, label in zip(panels, ("cost", "largest entry of the gradient"), strict=True):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_minor_formatter(NullFormatter())
        finish_axes(axes, x="iteration", y=label)
    return figure


def _grid(count: int, *, height: float) -> tuple[Figure, list[Axes]]:
    """`count` panels in rows of at most three."""
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = new_figure(3.9 * columns if columns > 1 else 6.0, height * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in panels[count:]:
        spare.set_visible(False)
    return figure, list(panels[:count])


def _used(data: DataSetResult) -> np.ndarray:
    return data.weights > 0.0


def _minutes(data: DataSetResult) -> np.ndarray:
    return np.asarray(data.inputs.times)[_used(data)] / 60.0


def _title(data: DataSetResult) -> str:
    return f"{data.name} ({'fitted' if data.role is Role.FIT else 'not fitted'})"


def _limit_to_measured(axes: Axes, data: DataSetResult) -> None:
    """A model that runs empty early must not squeeze the measured curve."""
    measured = data.measured[_used(data)]
    span = float(np.ptp(measured))
    axes.set_ylim(float(measured.min()) - 0.12 * span, float(measured.max()) + 0.08 * span)
