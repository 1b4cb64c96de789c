"""From a fit file to a problem: the model, the measured curves and the parameters."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gradion.cell.io.discharge_csv import Columns, read_discharge
from gradion.cell.io.fit_file import (
    DataRole,
    DataSection,
    FitFile,
    ModelKind,
    ModelSection,
    ParameterSection,
    Quantity,
    Thermal,
    Weighting,
)
from gradion.cell.models import SPM, AbstractCellModel, Cell, SPMe, build_cell
from gradion.cell.observables import CellTemperature, DischargePoints, DischargeVoltage
from gradion.cell.parameters import load_parameters
from gradion.fit import AbstractObservable, DataSet, Problem, Role
from gradion.foundation.errors import InputError
from gradion.foundation.units import conversion_factor
from gradion.module import AbstractPrior, LogNormalPrior, NormalPrior

__all__ = ["build_datasets", "build_model", "build_problem", "trapezoid_weights"]

_OBSERVABLES: dict[Quantity, AbstractObservable] = {
    Quantity.VOLTAGE: DischargeVoltage(),
    Quantity.TEMPERATURE: CellTemperature(),
}
_ROLES = {DataRole.FIT: Role.FIT, DataRole.VALIDATE: Role.VALIDATE}
# A current that a file tells may differ from the stated one by the ripple of a cycler.
_CURRENT_TOLERANCE = 0.02
_MIN_POINTS = 3


def build_model(file: FitFile) -> AbstractCellModel:
    """The model of a fit file, at its starting values.

    Raises InputError, with the place in the file, for what cannot be used.
    """
    section = file.content.model
    name = section.parameters
    source = file.resolved(name) if name.endswith(".json") else name
    parameters = file.located(lambda: load_parameters(source), "model", "parameters")
    isothermal = section.thermal is Thermal.ISOTHERMAL
    cell = file.located(lambda: build_cell(parameters, isothermal=isothermal), "model", "thermal")
    return _with_starts(file, _shared(file, _model(section, cell)))


def build_datasets(file: FitFile, model: AbstractCellModel) -> tuple[DataSet, ...]:
    """The measured curves of a fit file, all with as many points as the longest.

    Equal lengths let one compiled program predict them all; points added at the end have weight
    0. Raises InputError, with the place, for a curve that cannot be used.
    """
    sections = file.content.data
    _check_names(file)
    curves = [_curve(file, index, model) for index in range(len(sections))]
    count = max(times.size for times, _ in curves)
    datasets = []
    for section, (times, measured) in zip(sections, curves, strict=True):
        by_time = file.content.fit.weighting is Weighting.TIME
        weights = trapezoid_weights(times) if by_time else np.ones_like(times)
        added = count - times.size
        points = DischargePoints(
            current=jnp.asarray(_current(section, model.cell)),
            times=jnp.asarray(np.pad(times, (0, added), mode="edge")),
        )
        datasets.append(
            DataSet(
                name=_name(section),
                observable=_OBSERVABLES[section.quantity],
                inputs=points,
                measured=np.pad(measured, (0, added), mode="edge"),
                weights=np.pad(weights, (0, added)),
                role=_ROLES[section.role],
                sigma=_sigma(file, section),
                unit="V" if section.quantity is Quantity.VOLTAGE else "K",
            )
        )
    return tuple(datasets)


def _sigma(file: FitFile, section: DataSection) -> float:
    """How far model and curve may differ [V or K]: the curve's own number, or that of the fit."""
    if section.quantity is Quantity.VOLTAGE:
        return 1e-3 * (section.sigma_mV or file.content.fit.sigma_mV)
    return section.sigma_K or file.content.fit.sigma_K


def build_problem(file: FitFile) -> Problem:
    """The problem of a fit file. Raises InputError, with the place, for what cannot be used."""
    model = build_model(file)
    datasets = build_datasets(file, model)
    names, bounds, priors = [], {}, {}
    for index, section in enumerate(file.content.parameter):
        for name in _matches(file, index, model):
            factor = _factor(file, index, model, name)
            names.append(name)
            if section.bounds is not None:
                bounds[name] = _scaled(section.bounds, factor)
            if section.prior is not None:
                priors[name] = _prior(section, factor)
            _check_start(file, index, model, name, bounds.get(name))
    names = list(dict.fromkeys(names))
    return file.located(
        lambda: Problem(model, names, datasets, bounds=bounds, priors=priors), "parameter", 0
    )


def trapezoid_weights(times: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """The time that each point stands for [s]: half of the way to both its neighbours.

    With these a sum over points is an integral over time, wherever the points were kept.
    """
    steps = np.diff(times)
    return 0.5 * (np.append(steps, 0.0) + np.insert(steps, 0, 0.0))


def _model(section: ModelSection, cell: Cell) -> AbstractCellModel:
    mesh = section.mesh
    if section.kind is ModelKind.SPM:
        return SPM(cell, n_r=mesh.n_r, grading=mesh.grading)
    return SPMe(cell, n_r=mesh.n_r, n_x=mesh.n_x, grading=mesh.grading)


def _shared(file: FitFile, model: AbstractCellModel) -> AbstractCellModel:
    """The model with each group of `shared` parameters made one Parameter."""
    for index, group in enumerate(file.content.model.shared):
        place = ("model", "shared")
        for name in group:
            if file.located(partial(model.select, name), *place) != (name,):
                raise InputError(
                    f"{name!r} is a glob, or shared already",
                    where=file.document.where(place),
                    mend=f"give plain names, each in one group (group {index + 1})",
                )
        first = model.get_parameter(group[0])
        for name in group[1:]:
            if model.get_parameter(name).unit != first.unit:
                raise InputError(
                    f"{name} is in {model.get_parameter(name).unit}, {group[0]} in {first.unit}",
                    where=file.document.where(place),
                    mend="share parameters of one unit",
                )
            owner, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(owner), attribute, first)
    return model


def _with_starts(file: FitFile, model: AbstractCellModel) -> AbstractCellModel:
    starts: dict[str, float] = {}
    for index, section in enumerate(file.content.parameter):
        if section.start is None:
            continue
        for name in _matches(file, index, model):
            starts[name] = section.start * _factor(file, index, model, name)
    if not starts:
        return model
    started = model.with_parameters(starts)
    for name in starts:
        started.get_parameter(name).source = f"start given in {file.path.name}"
    return started


def _matches(file: FitFile, index: int, model: AbstractCellModel) -> tuple[str, ...]:
    name = file.content.parameter[index].name
    found: tuple[str, ...] = file.located(lambda: model.select(name), "parameter", index, "name")
    return found


def _factor(file: FitFile, index: int, model: AbstractCellModel, name: str) -> float:
    """What turns numbers of the file into the parameter's own unit."""
    unit = file.content.parameter[index].unit
    if unit is None:
        return 1.0
    own = model.get_parameter(name).unit
    return float(file.located(lambda: conversion_factor(unit, own), "parameter", index, "unit"))


def _scaled(
    bounds: tuple[float | None, float | None], factor: float
) -> tuple[float | None, float | None]:
    low, high = (None if bound is None else bound * factor for bound in bounds)
    return low, high


def _prior(section: ParameterSection, factor: float) -> AbstractPrior | None:
    given = section.prior
    if given is None:
        return None
    if given.mean is not None and given.std is not None:
        return NormalPrior(mean=given.mean, std=given.std).scaled(factor)
    if given.median is not None and given.sigma is not None:
        return LogNormalPrior(median=given.median, sigma=given.sigma).scaled(factor)
    return None


def _check_start(
    file: FitFile,
    index: int,
    model: AbstractCellModel,
    name: str,
    bounds: tuple[float | None, float | None] | None,
) -> None:
    parameter = model.get_parameter(name)
    limits = bounds if bounds is not None else parameter.bounds
    if limits is None:
        return
    low, high = limits
    start = float(parameter.value)
    if (low is not None and start <= low) or (high is not None and start >= high):
        raise InputError(
            f"{name} starts at {start:g} {parameter.unit}, not inside its bounds "
            f"{'-' if low is None else format(low, 'g')} to "
            f"{'-' if high is None else format(high, 'g')}",
            where=file.document.where(("parameter", index, "bounds")),
            mend="move the start or widen the bounds",
        )


def _check_names(file: FitFile) -> None:
    names = [_name(section) for section in file.content.data]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(
                f"the name {name!r} stands twice",
                where=file.document.where(("data", index, "name")),
                mend="give one of them another name",
            )


def _name(section: DataSection) -> str:
    stem = section.file.rsplit("/", 1)[-1].removesuffix(".csv")
    suffix = " temperature" if section.quantity is Quantity.TEMPERATURE else ""
    return section.name if section.name is not None else stem + suffix


def _current(section: DataSection, cell: Cell) -> float:
    if section.current_A is not None:
        return section.current_A
    return (section.c_rate or 0.0) * float(cell.nominal_capacity)


def _curve(
    file: FitFile, index: int, model: AbstractCellModel
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Times [s] and measured values ([V] or [K]) of one curve."""
    section = file.content.data[index]
    path = file.resolved(section.file)
    if not path.is_file():
        raise InputError(
            f"no file {str(path)!r}", where=file.document.where(("data", index, "file"))
        )
    is_voltage = section.quantity is Quantity.VOLTAGE
    columns = Columns(
        time=section.columns.time,
        voltage=section.columns.voltage if is_voltage else None,
        temperature_rise=None if is_voltage else section.columns.temperature_rise,
        current=section.columns.current,
    )
    measured = read_discharge(path, columns).since(section.min_time_s)
    if measured.time.size < _MIN_POINTS:
        raise InputError(
            f"{path}: {measured.time.size} points from {section.min_time_s:g} s on",
            where=file.document.where(("data", index, "min_time_s")),
            mend=f"expected at least {_MIN_POINTS}",
        )
    _check_current(file, index, measured.current, _current(section, model.cell))
    if measured.voltage is not None:
        return measured.time, measured.voltage
    if measured.temperature_rise is None:
        raise InputError("no quantity is read", where=str(path))
    return measured.time, float(
        model.cell.thermal.initial_temperature()
    ) + measured.temperature_rise


def _check_current(file: FitFile, index: int, measured: np.ndarray | None, stated: float) -> None:
    if measured is None:
        return
    far = float(np.max(np.abs(measured - stated)))
    if far > _CURRENT_TOLERANCE * stated:
        key = "c_rate" if file.content.data[index].c_rate is not None else "current_A"
        raise InputError(
            f"stated are {stated:.4g} A, and the file has {np.min(measured):.4g} to "
            f"{np.max(measured):.4g} A",
            where=file.document.where(("data", index, key)),
            mend="correct the rate, or cut the curve to the part at constant current",
        )
