"""One look for all figures of cells."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["ACCENT", "COLOURS", "GRID", "INK", "MUTED", "finish_axes", "new_figure"]

# Distinct for readers who see colours differently (Okabe and Ito 2008), darkened for print.
COLOURS = ("#0060a8", "#c8500a", "#00805f", "#8a4f9e", "#a07800", "#5c6670")
INK, MUTED, GRID, ACCENT = "#1d2733", "#66727f", "#e3e8ed", "#0060a8"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` [inch], without a window system."""
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish_axes(axes: Axes, *, x: str, y: str, title: str = "") -> None:
    """Label axes and give them the common look."""
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    if title:
        axes.set_title(title, color=INK, fontsize=10, loc="left", fontweight="bold")
    axes.tick_params(colors=MUTED, labelsize=8)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b8c1ca")
    axes.margins(x=0.01)
