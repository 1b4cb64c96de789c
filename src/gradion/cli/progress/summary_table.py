"""The result of a fit on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["print_summary"]

_WIDTH_ELSEWHERE = 130  # a file or a pipe has no edge: names must not be cut


def print_summary(summary: dict[str, Any]) -> None:
    """Print how the fit ended, its errors and its parameters."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_ELSEWHERE)
    console.print()
    console.print(f"[bold]{summary['message']}[/bold]")
    console.print()
    curves = _table("curve", "role", "rms before [mV]", "rms after [mV]")
    for curve in summary["curves"]:
        scale = 1e3 if curve["unit"] == "V" else 1.0
        unit = "" if curve["unit"] == "V" else f" {curve['unit']}"
        before, after = (f"{scale * curve[k]:.2f}{unit}" for k in ("rms_before", "rms_after"))
        curves.add_row(curve["name"], curve["role"], before, after)
    console.print(curves)
    console.print()
    parameters = _table("parameter", "unit", "start", "fitted", "std. error", "verdict")
    for entry in summary["parameters"]:
        error = entry["standard_error"]
        parameters.add_row(
            entry["label"].removeprefix("cell."),
            entry["unit"],
            f"{entry['start']:.4g}",
            f"{entry['fitted']:.4g}",
            "-" if error is None else f"{error:.1g}",
            entry["verdict"],
        )
    for entry in summary["held"]:
        value = f"{entry['value']:.4g}"
        name = entry["label"].removeprefix("cell.")
        parameters.add_row(name, entry["unit"], value, value, "-", "held")
    console.print(parameters)
    console.print()
    console.print(f"report: {summary['report']}", highlight=False, soft_wrap=True)


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        is_text = index == 0 or head in ("role", "unit", "verdict")
        table.add_column(head, justify="left" if is_text else "right", no_wrap=True)
    return table
