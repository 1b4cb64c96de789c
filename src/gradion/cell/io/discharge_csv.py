"""Measured discharges in CSV files."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from gradion.foundation.errors import InputError, unknown_name

__all__ = ["Columns", "MeasuredDischarge", "read_comments", "read_discharge"]

# Outside these a column is not in volts, or not a voltage of one lithium-ion cell.
_VOLTAGE_RANGE = (0.5, 6.0)
_RISE_RANGE = (-100.0, 300.0)
_MAX_BYTES = 200_000_000


@final
@dataclass(frozen=True)
class Columns:
    """Names of the columns in a file; None is a quantity that is not read."""

    time: str = "time_s"
    voltage: str | None = "voltage_V"
    temperature_rise: str | None = None
    current: str | None = None


@final
@dataclass(frozen=True, eq=False)
class MeasuredDischarge:
    """A discharge as measured: time [s] since the current set in, voltage [V], current [A].

    `temperature_rise` [K] is above the start. Quantities that were not read are None.
    """

    time: Float[np.ndarray, " points"]
    voltage: Float[np.ndarray, " points"] | None
    temperature_rise: Float[np.ndarray, " points"] | None
    current: Float[np.ndarray, " points"] | None

    def since(self, time: float) -> MeasuredDischarge:
        """The points from `time` [s] on."""
        keep = self.time >= time
        cut = [
            None if array is None else array[keep]
            for array in (self.voltage, self.temperature_rise, self.current)
        ]
        return MeasuredDischarge(self.time[keep], *cut)


def read_discharge(
    path: str | os.PathLike[str], columns: Columns | None = None
) -> MeasuredDischarge:
    """Read a discharge from a CSV file: comment lines that begin with ``#``, names, rows.

    Time [s] grows; a voltage lies between 0.5 and 6 V; a current [A], if read, is positive.
    Raises InputError in one line with file and line number for what cannot be used.
    """
    columns = Columns() if columns is None else columns
    name = os.fspath(path)
    names, rows = _table(name, _text(name))
    if not rows:
        raise InputError("has no rows of numbers", where=name)
    wanted = {
        "time": columns.time,
        "voltage": columns.voltage,
        "temperature_rise": columns.temperature_rise,
        "current": columns.current,
    }
    arrays = {
        quantity: None if column is None else _column(name, names, rows, column)
        for quantity, column in wanted.items()
    }
    time = arrays.pop("time")
    if time is None:
        raise InputError("no time column is named", where=name)
    lines = [line for line, _ in rows]
    _check_time(name, columns.time, lines, time)
    _check_range(name, columns.voltage, lines, arrays["voltage"], _VOLTAGE_RANGE, "V")
    _check_range(
        name, columns.temperature_rise, lines, arrays["temperature_rise"], _RISE_RANGE, "K"
    )
    _check_current(name, columns.current, lines, arrays["current"])
    return MeasuredDischarge(time, **arrays)


def read_comments(path: str | os.PathLike[str]) -> str:
    """The comment lines of a file without their ``#``, which should say where the data are from.

    Raises InputError if the file cannot be read as text.
    """
    lines = _text(os.fspath(path)).splitlines()
    comments = [line.lstrip()[1:].strip() for line in lines if line.lstrip().startswith("#")]
    return "\n".join(comments)


def _text(name: str) -> str:
    path = Path(name)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"has more than {_MAX_BYTES // 10**6} MB", where=name)
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be read ({reason})", where=name) from None
    if b"\0" in content:
        raise InputError("is binary, not text", where=name, mend="expected comma-separated numbers")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"byte 0x{content[error.start]:02x} is no UTF-8 text",
            where=f"{name}:{line}",
            mend="save it as UTF-8",
        ) from None


def _table(name: str, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The column names, and each row's line number and cells."""
    names: list[str] | None = None
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip().strip('"') for cell in line.split(",")]
        if names is None:
            names = cells
            if len(set(names)) < len(names):
                raise InputError("two columns have the same name", where=f"{name}:{number}")
        elif len(cells) != len(names):
            raise InputError(
                f"got {len(cells)} values for {len(names)} columns",
                where=f"{name}:{number}",
                mend="is the file cut off?" if len(cells) < len(names) else None,
            )
        else:
            rows.append((number, cells))
    if names is None:
        raise InputError("is empty", where=name, mend="expected column names and rows of numbers")
    return names, rows


def _column(
    name: str, names: list[str], rows: list[tuple[int, list[str]]], column: str
) -> Float[np.ndarray, " points"]:
    if column not in names:
        raise unknown_name("column", column, names, where=name)
    index = names.index(column)
    values = np.empty(len(rows))
    for position, (line, cells) in enumerate(rows):
        try:
            value = float(cells[index])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{column}: got {cells[index]!r}",
                where=f"{name}:{line}",
                mend="expected a finite number; take the row out if it was not measured",
            )
        values[position] = value
    return values


def _check_time(name: str, column: str, lines: list[int], time: np.ndarray) -> None:
    if time[0] < 0.0:
        raise InputError(
            f"{column}: got {time[0]:g} s",
            where=f"{name}:{lines[0]}",
            mend="expected times from 0 s on, when the current sets in",
        )
    back = np.flatnonzero(np.diff(time) <= 0.0)
    if back.size:
        index = int(back[0]) + 1
        what = "goes back" if time[index] < time[index - 1] else "stands still"
        raise InputError(
            f"{column}: time {what} from {time[index - 1]:g} to {time[index]:g} s",
            where=f"{name}:{lines[index]}",
            mend="expected times that grow",
        )


def _check_range(
    name: str,
    column: str | None,
    lines: list[int],
    values: np.ndarray | None,
    limits: tuple[float, float],
    unit: str,
) -> None:
    if values is None:
        return
    outside = np.flatnonzero((values < limits[0]) | (values > limits[1]))
    if outside.size:
        index = int(outside[0])
        raise InputError(
            f"{column}: got {values[index]:g} {unit}",
            where=f"{name}:{lines[index]}",
            mend=f"expected {limits[0]:g} to {limits[1]:g} {unit}; is the column in another unit?",
        )


def _check_current(
    name: str, column: str | None, lines: list[int], values: np.ndarray | None
) -> None:
    if values is None:
        return
    wrong = np.flatnonzero(values <= 0.0)
    if wrong.size:
        index = int(wrong[0])
        raise InputError(
            f"{column}: got {values[index]:g} A",
            where=f"{name}:{lines[index]}",
            mend="expected positive currents: a discharge has a positive current here",
        )
