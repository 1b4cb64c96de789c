"""The file that says what to fit: TOML, checked key by key.

    [model]
    kind = "SPMe"                 # or "SPM"
    parameters = "ai2020"         # a set of the package, or a path to a JSON file
    thermal = "lumped"            # or "isothermal"
    mesh = { n_r = 24, n_x = [12, 8, 12], grading = 8.0 }

    [[data]]                      # one for each measured curve
    file = "discharge-1C.csv"
    c_rate = 1.0                  # or current_A = 2.28
    role = "fit"                  # or "validate": predicted, never fitted
    quantity = "voltage"          # or "temperature"
    min_time_s = 2.0              # earlier points are left out
    columns = { time = "time_s", voltage = "voltage_V" }

    [[parameter]]                 # one for each parameter, or glob of parameters, to fit
    name = "cell.negative.D_s.value"
    bounds = [1e-16, 1e-12]
    unit = "m^2/s"                # of bounds, start and prior; by default the parameter's own
    start = 1e-14
    prior = { median = 1e-14, sigma = 1.0 }    # or { mean = ..., std = ... }

    [fit]
    optimiser = "levenberg-marquardt"          # or "lbfgs", "adam"
    max_iterations = 50
    relative_tolerance = 1e-6     # done when the cost falls by less than this share of it
    starts = 1                    # more: that many scattered starting points
    seed = 0
    weighting = "time"            # or "points"
    sigma_mV = 5.0
    sigma_K = 0.2
    drop_unidentifiable = true    # hold what the data cannot tell at its start

    [output]
    folder = "out"

Paths are relative to the file. Only [model] parameters, [[data]] and [[parameter]] are needed.
"""

from __future__ import annotations

import enum
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gradion.cell.io.toml_lines import TomlDocument, read_toml
from gradion.cell.parameters.validation import input_error
from gradion.foundation.errors import InputError, unknown_name

__all__ = [
    "ColumnsSection",
    "DataRole",
    "DataSection",
    "FitFile",
    "FitSchema",
    "FitSection",
    "MeshSection",
    "ModelKind",
    "ModelSection",
    "Optimiser",
    "OutputSection",
    "ParameterSection",
    "PriorSection",
    "Quantity",
    "Thermal",
    "Weighting",
    "read_fit_file",
]


class ModelKind(enum.Enum):
    """Cell models by their names in files."""

    SPM = "SPM"
    SPME = "SPMe"


class Thermal(enum.Enum):
    """How the temperature is modelled."""

    LUMPED = "lumped"
    ISOTHERMAL = "isothermal"


class DataRole(enum.Enum):
    """What a curve is for."""

    FIT = "fit"
    VALIDATE = "validate"


class Quantity(enum.Enum):
    """What of a curve is compared with the model."""

    VOLTAGE = "voltage"
    TEMPERATURE = "temperature"


class Optimiser(enum.Enum):
    """Optimisers by their names in files."""

    LEVENBERG_MARQUARDT = "levenberg-marquardt"
    LBFGS = "lbfgs"
    ADAM = "adam"


class Weighting(enum.Enum):
    """How the points of a curve count: each by the time around it, or all alike."""

    TIME = "time"
    POINTS = "points"


def _named(kind: type[enum.Enum], label: str) -> BeforeValidator:
    """Look a name up in an Enum, once; a miss tells the near names."""
    known = {str(member.value).lower(): member for member in kind}

    def look_up(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str) or value.lower() not in known:
            raise unknown_name(label, str(value), [str(member.value) for member in kind])
        return known[value.lower()]

    return BeforeValidator(look_up)


_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_Pair = tuple[float | None, float | None]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeshSection(_Section):
    """Numbers of control volumes."""

    n_r: Annotated[int, Field(ge=3, le=500)] = 24
    n_x: tuple[
        Annotated[int, Field(ge=2, le=500)],
        Annotated[int, Field(ge=2, le=500)],
        Annotated[int, Field(ge=2, le=500)],
    ] = (20, 12, 20)
    grading: Annotated[float, Field(ge=1.0, le=20.0)] = 8.0


class ModelSection(_Section):
    """The model that is fitted."""

    parameters: str
    kind: Annotated[ModelKind, _named(ModelKind, "model")] = ModelKind.SPME
    thermal: Annotated[Thermal, _named(Thermal, "thermal model")] = Thermal.LUMPED
    mesh: MeshSection = MeshSection()
    # Groups of parameters that are one: each takes the value of the first of its group.
    shared: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = ()


class ColumnsSection(_Section):
    """Names of the columns in a CSV file."""

    time: str = "time_s"
    voltage: str = "voltage_V"
    temperature_rise: str = "temperature_rise_K"
    current: str | None = None


class DataSection(_Section):
    """One measured curve at constant current."""

    file: str
    name: str | None = None
    c_rate: float | None = None
    current_A: float | None = None
    role: Annotated[DataRole, _named(DataRole, "role")] = DataRole.FIT
    quantity: Annotated[Quantity, _named(Quantity, "quantity")] = Quantity.VOLTAGE
    columns: ColumnsSection = ColumnsSection()
    min_time_s: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 2.0
    sigma_mV: _Positive | None = None
    sigma_K: _Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [("c_rate", self.c_rate, ""), ("current_A", self.current_A, " A")]
        stated = [entry for entry in given if entry[1] is not None]
        if len(stated) != 1:
            raise InputError(
                f"got {'both' if stated else 'neither'} of c_rate and current_A",
                mend="give one of them",
            )
        key, value, unit = stated[0]
        if value is None or not math.isfinite(value) or value <= 0.0:
            raise InputError(
                f"{key}: got {value:g}{unit}",
                mend="expected a positive number: a discharge has a positive current here",
            )
        return self


class PriorSection(_Section):
    """A normal prior (mean, std) or a log-normal one (median, sigma)."""

    mean: float | None = None
    std: _Positive | None = None
    median: _Positive | None = None
    sigma: _Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        keys = {key for key in type(self).model_fields if getattr(self, key) is not None}
        if keys not in ({"mean", "std"}, {"median", "sigma"}):
            raise InputError(
                f"got the keys {', '.join(sorted(keys)) or 'none'}",
                mend="expected mean and std, or median and sigma",
            )
        return self


class ParameterSection(_Section):
    """A parameter, or a glob of parameters, to fit."""

    name: str
    bounds: _Pair | None = None
    start: float | None = None
    unit: str | None = None
    prior: PriorSection | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.bounds or (None, None)
        low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
        if not low < high:
            raise InputError(f"bounds: got {low:g} and {high:g}", mend="expected the lower first")
        if self.start is not None and not low < self.start < high:
            raise InputError(
                f"start: got {self.start:g}, outside its bounds {low:g} to {high:g}",
                mend="move the start or widen the bounds",
            )
        return self


class FitSection(_Section):
    """How to fit."""

    optimiser: Annotated[Optimiser, _named(Optimiser, "optimiser")] = Optimiser.LEVENBERG_MARQUARDT
    max_iterations: Annotated[int, Field(ge=1, le=100_000)] = 50
    relative_tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 1e-6
    starts: Annotated[int, Field(ge=1, le=10_000)] = 1
    seed: int = 0
    weighting: Annotated[Weighting, _named(Weighting, "weighting")] = Weighting.TIME
    sigma_mV: _Positive = 5.0
    sigma_K: _Positive = 0.2
    drop_unidentifiable: bool = True


class OutputSection(_Section):
    """Where the report goes."""

    folder: str = "out"


class FitSchema(_Section):
    """All that a file says."""

    model: ModelSection
    data: Annotated[tuple[DataSection, ...], Field(min_length=1)]
    parameter: Annotated[tuple[ParameterSection, ...], Field(min_length=1)]
    fit: FitSection = FitSection()
    output: OutputSection = OutputSection()


@final
@dataclass(frozen=True, eq=False)
class FitFile:
    """A file as read, with the places of its keys."""

    path: Path
    document: TomlDocument
    content: FitSchema

    def resolved(self, text: str) -> Path:
        """A path in the file, taken from the file's folder."""
        return self.path.parent / text

    def located(self, action: Callable[[], Any], *path: str | int) -> Any:
        """Do something; an InputError gets the place of the key at `path` in front of it."""
        try:
            return action()
        except InputError as error:
            what = error.what if error.where is None else f"{error.where}: {error.what}"
            raise InputError(what, where=self.document.where(path), mend=error.mend) from None


def read_fit_file(path: str | os.PathLike[str]) -> FitFile:
    """Read and check a fit file; the files that it names are not opened.

    Raises InputError in one line with file, line and key for what cannot be used.
    """
    document = read_toml(path)
    try:
        content = FitSchema.model_validate(document.data)
    except ValidationError as error:
        raise _located(error, document) from None
    return FitFile(Path(path), document, content)


def _located(error: ValidationError, document: TomlDocument) -> InputError:
    """The first of the errors, with file, line and key."""
    first = error.errors(include_url=False)[0]
    fault = input_error(error, FitSchema, where=document.name)
    path, what = tuple(first["loc"]), fault.what
    # What concerns one key of several begins with its name: its line is the one to look at.
    key, _, rest = what.partition(": ")
    if rest and (*path, key) in document.lines:
        path, what = (*path, key), rest
    mend = "it must be given" if first["type"] == "missing" else fault.mend
    return InputError(what, where=document.where(path), mend=mend)
