"""What a run of a cell model gives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import xarray as xr

import gradion
from gradion.cell.models import AbstractCellModel
from gradion.cell.outputs import Outputs
from gradion.cell.profile_positions import profile_positions
from gradion.foundation.errors import InputError
from gradion.numerics.integrate import IntegrationError, Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SimulationResult", "make_dataset"]

_LONG_NAMES = {
    "open_circuit": "open-circuit voltage at the particles' surfaces",
    "reaction": "reaction overpotential",
    "concentration": "concentration overpotential of the electrolyte",
    "electrolyte_ohmic": "ohmic loss of the electrolyte",
    "solid_ohmic": "ohmic loss of the electrodes' solids",
    "contact": "ohmic loss of the contacts",
}


@final
@dataclass(frozen=True)
class SimulationResult:
    """A run: its values over time with units, and how it ended.

    `dataset` has the coordinates time [s], r_negative, r_positive and x [m], and the variables
    voltage, the parts that it is the sum of, current, temperature, capacity, c_s_negative,
    c_s_positive and c_e; `dataset[...].attrs["units"]` says the unit of each.
    """

    dataset: xr.Dataset
    status: Status

    @property
    def succeeded(self) -> bool:
        """Whether the run came to its end, by time or by a cut-off."""
        return self.status.is_success

    @property
    def reason(self) -> str:
        """Why the run ended, in words."""
        return str(self.dataset.attrs["reason"])

    def check(self) -> SimulationResult:
        """Return self, or raise `IntegrationError` if the integration failed."""
        if not self.succeeded:
            raise IntegrationError(self.status, float(self.dataset["time"][-1]))
        return self

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """A figure of voltage, temperature, losses and concentrations; written if `path` is given.

        Raises InputError if matplotlib is not installed.
        """
        try:
            from gradion.cell.plot import plot_simulation
        except ImportError as error:
            raise InputError(
                f"plotting needs {error.name}", mend="pip install 'gradion[cell]'"
            ) from None
        figure = plot_simulation(self.dataset)
        if path is not None:
            figure.savefig(Path(path))
        return figure

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write all that depends on time alone as a table, with the units in the column names.

        Comment lines that begin with ``#`` tell model, current and reason.
        """
        columns = {
            name: variable
            for name, variable in self.dataset.data_vars.items()
            if variable.dims == ("time",)
        }
        header = [f"# {key}: {value}" for key, value in self.dataset.attrs.items()]
        names = ["time_s", *(f"{name}_{v.attrs['units']}" for name, v in columns.items())]
        rows = np.column_stack([self.dataset["time"], *(v.values for v in columns.values())])
        lines = [",".join(f"{number:.10g}" for number in row) for row in rows]
        text = "\n".join([*header, ",".join(name.replace(" ", ".") for name in names), *lines])
        Path(path).write_text(text + "\n", encoding="ascii")

    def to_netcdf(self, path: str | os.PathLike[str]) -> None:
        """Write the dataset as netCDF. Raises InputError if no library for it is installed."""
        try:
            self.dataset.to_netcdf(path)
        except (ValueError, ImportError) as error:
            raise InputError(f"cannot write netCDF ({error})", mend="pip install scipy") from None


def make_dataset(
    model: AbstractCellModel,
    *,
    current: float,
    times: np.ndarray,
    outputs: Outputs,
    reason: str,
) -> xr.Dataset:
    """The values of a run at `times` [s] under `current` [A] as a dataset with units."""
    cell = model.cell
    positions = profile_positions(model)
    over_time = {
        "voltage": (outputs.overpotentials.voltage(), "V", "terminal voltage"),
        "current": (np.full_like(times, current), "A", "current, positive on discharge"),
        "temperature": (outputs.temperature, "K", "temperature of the cell"),
        "capacity": (current * times / 3600.0, "A h", "charge drawn"),
    }
    for name, values in outputs.overpotentials._asdict().items():
        over_time[name] = (values, "V", _LONG_NAMES[name])
    variables = {name: _variable(*parts, "time") for name, parts in over_time.items()}
    for side, x, c_max in (
        ("negative", outputs.x_negative, cell.negative.c_max),
        ("positive", outputs.x_positive, cell.positive.c_max),
    ):
        c_s = x * float(c_max)
        label = f"lithium in the {side} particle"
        variables[f"c_s_{side}"] = _variable(c_s, "mol/m^3", label, "time", f"r_{side}")
    variables["c_e"] = _variable(outputs.c_e, "mol/m^3", "salt in the electrolyte", "time", "x")
    return xr.Dataset(
        variables,
        coords={
            "time": _variable(times, "s", "time", "time"),
            "r_negative": _variable(positions.r_negative, "m", "radius", "r_negative"),
            "r_positive": _variable(positions.r_positive, "m", "radius", "r_positive"),
            "x": _variable(positions.x, "m", "position", "x"),
        },
        attrs={
            "model": type(model).__name__,
            "current_A": current,
            "c_rate": current / float(cell.nominal_capacity),
            "reason": reason,
            "gradion": gradion.__version__,
        },
    )


def _variable(values: Any, unit: str, long_name: str, *dims: str) -> xr.Variable:
    return xr.Variable(dims, np.asarray(values), {"units": unit, "long_name": long_name})
