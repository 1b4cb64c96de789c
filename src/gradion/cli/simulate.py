"""`gradion simulate`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradion.foundation.program_cache import keep_programs

if TYPE_CHECKING:
    from gradion.cell.models import AbstractCellModel
    from gradion.cell.simulation_result import SimulationResult

__all__ = ["simulate"]


def simulate(
    parameter_set: Annotated[
        str, typer.Argument(metavar="SET", help="Name of a parameter set, or a JSON file.")
    ] = "ai2020",
    model: Annotated[str, typer.Option(help="SPMe or SPM.")] = "SPMe",
    c_rate: Annotated[float | None, typer.Option(help="Rate of discharge; 1 if absent.")] = None,
    current_a: Annotated[
        float | None, typer.Option("--current-a", help="Current [A], instead of a rate.")
    ] = None,
    t_end_s: Annotated[
        float | None, typer.Option("--t-end-s", help="Longest time [s]; else to the limit.")
    ] = None,
    lower_voltage_v: Annotated[
        float | None, typer.Option("--lower-voltage-v", help="Voltage limit [V]; else the cell's.")
    ] = None,
    isothermal: Annotated[bool, typer.Option(help="Keep the temperature fixed.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the values to this CSV file.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write a figure (PNG, PDF or SVG).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Discharge a cell at constant current until its voltage limit.

    Examples:

        gradion simulate --c-rate 1

        gradion simulate chen2020 --model SPM --c-rate 0.5 --isothermal --plot run.png

        gradion simulate ai2020 --current-a 4.56 --output run.csv --json
    """
    began = time.perf_counter()
    typer.echo(f"reading the parameter set {parameter_set} ...", err=True)
    note = keep_programs()
    if note is not None:
        typer.echo(f"note: {note}", err=True)
    cell_model = _model(parameter_set, model, isothermal)
    typer.echo("compiling and running (the first run of a model takes longest) ...", err=True)
    result = _run(cell_model, c_rate, current_a, t_end_s, lower_voltage_v)
    if output is not None:
        _write(result, output)
    if plot is not None:
        _draw(result, plot)
    _print(_summary(result, time.perf_counter() - began), as_json)
    result.check()


def _model(parameter_set: str, name: str, isothermal: bool) -> AbstractCellModel:
    from gradion.cell.models import SPM, SPMe, build_cell
    from gradion.cell.parameters import load_parameters
    from gradion.foundation.errors import unknown_name

    kinds: dict[str, type[SPM] | type[SPMe]] = {"spm": SPM, "spme": SPMe}
    if name.lower() not in kinds:
        raise unknown_name("model", name, ("SPM", "SPMe"), where="--model")
    cell = build_cell(load_parameters(parameter_set), isothermal=isothermal)
    return kinds[name.lower()](cell)


def _run(
    model: AbstractCellModel,
    c_rate: float | None,
    current: float | None,
    t_end: float | None,
    lower_voltage: float | None,
) -> SimulationResult:
    from gradion.cell.protocols import ConstantCurrent, LowerVoltage
    from gradion.cell.simulation import simulate as run
    from gradion.foundation.errors import InputError

    if c_rate is not None and current is not None:
        raise InputError("got both --c-rate and --current-a", mend="give one of them")
    if current is not None:
        protocol = ConstantCurrent(current)
    else:
        protocol = ConstantCurrent.at_c_rate(model.cell, 1.0 if c_rate is None else c_rate)
    return run(model, protocol, until=(LowerVoltage(lower_voltage),), t_end=t_end)


def _write(result: SimulationResult, path: Path) -> None:
    from gradion.foundation.errors import InputError

    try:
        result.to_csv(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be written ({reason})", where=str(path)) from None


def _draw(result: SimulationResult, path: Path) -> None:
    from gradion.foundation.errors import InputError

    try:
        result.plot(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be written ({reason})", where=str(path)) from None
    except ValueError as error:
        # An ending that matplotlib does not know; its message lists those that it does.
        raise InputError(str(error), where=str(path)) from None


def _summary(result: SimulationResult, elapsed: float) -> dict[str, Any]:
    end = result.dataset.isel(time=-1)
    return {
        "model": result.dataset.attrs["model"],
        "current_A": result.dataset.attrs["current_A"],
        "c_rate": result.dataset.attrs["c_rate"],
        "succeeded": result.succeeded,
        "reason": result.reason,
        "t_end_s": float(end["time"]),
        "capacity_Ah": float(end["capacity"]),
        "voltage_V": float(end["voltage"]),
        "initial_voltage_V": float(result.dataset["voltage"][0]),
        "temperature_K": float(end["temperature"]),
        "highest_temperature_K": float(result.dataset["temperature"].max()),
        "elapsed_s": round(elapsed, 3),
    }


def _print(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for key, value in summary.items():
        if isinstance(value, float):
            name, _, unit = key.rpartition("_")
            known = unit in ("A", "s", "V", "K", "Ah")
            label = name if known else key
            table.add_row(
                label.replace("_", " "),
                f"{value:.6g}",
                unit.replace("Ah", "A h") if known else "",
            )
    console = Console(soft_wrap=True)
    console.print(f"{summary['model']}: {summary['reason']}")
    console.print(table)
