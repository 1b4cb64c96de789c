"""From our parameters to a BPX file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradion.cell.io.bpx_format import (
    CELL_NUMBERS,
    ELECTRODE_ENERGIES,
    ELECTRODE_NUMBERS,
    ELECTRODES,
    ELECTROLYTE_ENERGIES,
    FUNCTIONS,
    OWN_SECTION,
    checked,
)
from gradion.cell.parameters import (
    CellParameters,
    ElectrodeSection,
    FunctionQuantity,
    Interpolation,
    Quantity,
    SeparatorSection,
    parameters_to_mapping,
)
from gradion.foundation.errors import InputError
from gradion.foundation.formula import Formula

__all__ = ["write_bpx"]

_VERSION = "1.1.0"
# What programs that turn a BPX formula into Python know.
_BPX_FUNCTIONS = ("cosh", "exp", "tanh")
# Quantities without a place in BPX, and the value that BPX takes for granted.
_ASSUMED = {
    "cell.contact_resistance": 0.0,
    "negative.alpha": 0.5,
    "positive.alpha": 0.5,
    "electrolyte.thermodynamic_factor": 1.0,
}
# A state of charge of one electrode must be that of the other to round-off.
_SOC_TOLERANCE = 1e-6
_SCAN_POINTS = 1001
_SCAN_ROUNDS = 5


def write_bpx(
    parameters: CellParameters, path: str | os.PathLike[str], *, allow_loss: bool = False
) -> None:
    """Write parameters as a BPX file, from which `read_bpx` reads them back.

    BPX holds the thermal quantities of the layers as averages of the cell, and electronic
    conductivities as effective ones. The stoichiometries at 0 % and 100 % state of charge, where
    the set has none, are those at which the open-circuit voltage meets the cut-offs, at the set's
    amount of lithium. The sources of all quantities, and the quantities for which BPX has no place,
    stand as JSON in ``User-defined.gradion.description``, where `read_bpx` finds them.

    Other programs do not look there. So a set is refused if for them it would be another cell: a
    contact resistance, a transfer coefficient other than one half, a thermodynamic factor other
    than one, a dependence on temperature that is no activation energy. With ``allow_loss`` it is
    written, with functions of the temperature taken at the reference temperature.

    Raises InputError naming the quantity if BPX cannot hold it; OSError if the file cannot be
    written.
    """
    if not allow_loss:
        _refuse_loss(parameters)
    data = _Writing(parameters).data()
    checked(data, where=parameters.name)
    target = Path(path)
    # In the same directory: a file is not replaced across file systems.
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_loss(parameters: CellParameters) -> None:
    mend = "give allow_loss=True to write what BPX can hold"
    for path, quantity in parameters.quantities().items():
        where = f"{parameters.name}: {path}"
        assumed = _ASSUMED.get(path)
        if assumed is not None and getattr(quantity, "value", None) != assumed:
            raise InputError(f"BPX takes {assumed:g} for granted", where=where, mend=mend)
        if _depends_on_temperature(quantity):
            raise InputError("BPX has no function of the temperature", where=where, mend=mend)


def _depends_on_temperature(quantity: Quantity | FunctionQuantity) -> bool:
    return (
        isinstance(quantity, FunctionQuantity)
        and isinstance(quantity.function, Formula)
        and "T" in quantity.function.used_variables()
    )


class _Writing:
    """One set on its way to a BPX object."""

    def __init__(self, parameters: CellParameters) -> None:
        self._p = parameters
        self._T_ref = parameters.cell.reference_temperature.value
        self._c_e0 = parameters.electrolyte.c_init.value

    def data(self) -> dict[str, Any]:
        p = self._p
        limits = _stoichiometry_limits(p)
        header = {"BPX": _VERSION, "Title": p.title, "Model": "DFN"}
        if p.references:
            header["References"] = "; ".join(r.citation for r in p.references)
        return {
            "Header": header,
            "Parameterisation": {
                "Cell": self._cell(),
                "Electrolyte": self._electrolyte(),
                **{
                    theirs: self._electrode(getattr(p, ours), ours, limits[ours])
                    for ours, theirs in ELECTRODES.items()
                },
                "Separator": self._porous(p.separator),
                "User-defined": {OWN_SECTION: {"description": self._own()}},
            },
            "State": self._state(limits),
        }

    def _cell(self) -> dict[str, Any]:
        cell = self._p.cell
        result: dict[str, Any] = {}
        for key, (name, _) in CELL_NUMBERS.items():
            quantity = getattr(cell, key)
            if quantity is not None:
                result[name] = quantity.value
        pairs = CELL_NUMBERS["electrodes_in_parallel"][0]
        result[pairs] = int(result[pairs])
        layers = (self._p.negative, self._p.separator, self._p.positive)
        if all(layer.density and layer.heat_capacity for layer in layers):
            volumetric = self._p.volumetric_heat_capacity()
            density = self._p.average_density()
            result["Density [kg.m-3]"] = density
            result["Specific heat capacity [J.K-1.kg-1]"] = volumetric / density
        return result

    def _state(self, limits: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
        p = self._p
        thermal = {"Ambient temperature [K]": p.cell.ambient_temperature.value}
        if p.cell.heat_transfer_coefficient is not None:
            h = p.cell.heat_transfer_coefficient.value
            thermal["Heat transfer coefficient [W.m-2.K-1]"] = h
        return {
            "Initial conditions": {
                "Initial state-of-charge": _state_of_charge(p, limits),
                "Initial temperature [K]": p.cell.initial_temperature.value,
                "Initial electrolyte concentration [mol.m-3]": self._c_e0,
            },
            "Thermal environment": thermal,
        }

    def _porous(self, part: SeparatorSection | ElectrodeSection) -> dict[str, Any]:
        porosity = part.porosity.value
        return {
            "Thickness [m]": part.thickness.value,
            "Porosity": porosity,
            "Transport efficiency": porosity**part.bruggeman_electrolyte.value,
        }

    def _electrode(
        self, part: ElectrodeSection, ours: str, limits: tuple[float, float]
    ) -> dict[str, Any]:
        result = self._porous(part)
        for key, (name, _) in ELECTRODE_NUMBERS.items():
            result[name] = getattr(part, key).value
        solid = 1.0 - part.porosity.value
        area = 3.0 * part.active_fraction.value / part.particle_radius.value
        K = part.k.value * part.c_max.value * math.sqrt(self._c_e0)
        result["Surface area per unit volume [m-1]"] = area
        result["Reaction rate constant [mol.m-2.s-1]"] = K
        result["Conductivity [S.m-1]"] = (
            part.conductivity.value * solid**part.bruggeman_electrode.value
        )
        result["Minimum stoichiometry"], result["Maximum stoichiometry"] = sorted(limits)
        for key, name in ELECTRODE_ENERGIES.items():
            result[name] = getattr(part, key).value
        for key in ("D_s", "ocp", "entropic_change"):
            name = FUNCTIONS[key][0]
            result[name] = self._function(getattr(part, key), f"{ours}.{key}")
        return result

    def _electrolyte(self) -> dict[str, Any]:
        part = self._p.electrolyte
        result: dict[str, Any] = {"Cation transference number": part.t_plus.value}
        for key in ("D_e", "kappa"):
            result[FUNCTIONS[key][0]] = self._function(getattr(part, key), f"electrolyte.{key}")
        for key, name in ELECTROLYTE_ENERGIES.items():
            result[name] = getattr(part, key).value
        return result

    def _function(self, quantity: Quantity | FunctionQuantity, path: str) -> Any:
        if isinstance(quantity, Quantity):
            return quantity.value
        if not isinstance(quantity.function, Formula):
            return {"x": list(quantity.function.x), "y": list(quantity.function.y)}
        formula = quantity.function
        foreign = sorted(set(formula.used_functions()) - set(_BPX_FUNCTIONS))
        if foreign:
            raise InputError(
                f"BPX has no function {foreign[0]!r}",
                where=f"{self._p.name}: {path}",
                mend=f"write it with {', '.join(_BPX_FUNCTIONS)} and powers",
            )
        first = formula.variables[0]
        replacements: dict[str, float | str] = {first: "x"}
        if "T" in formula.variables:
            replacements["T"] = self._T_ref
        return str(formula.substitute(replacements))

    def _own(self) -> str:
        """Return, as JSON, what BPX has no place for."""
        quantities = self._p.quantities()
        mapping: dict[str, Any] = parameters_to_mapping(self._p)
        entries = {}
        for path in _ASSUMED:
            section, key = path.split(".")
            entries[path] = mapping[section][key]
        own = {
            "about": "sources and quantities that BPX has no place for",
            "name": self._p.name,
            "references": mapping["references"],
            "sources": {
                path: quantity.source
                for path, quantity in quantities.items()
                if "collector" not in path
            },
            "entries": entries,
            "cubic": [
                path
                for path, quantity in quantities.items()
                if isinstance(quantity, FunctionQuantity)
                and not isinstance(quantity.function, Formula)
                and quantity.function.interpolation is Interpolation.CUBIC
            ],
        }
        return json.dumps(own, allow_nan=False)


def _state_of_charge(
    parameters: CellParameters, limits: Mapping[str, tuple[float, float]]
) -> float:
    found = []
    for ours in ELECTRODES:
        part: ElectrodeSection = getattr(parameters, ours)
        x_0, x_100 = limits[ours]
        found.append((part.c_init.value / part.c_max.value - x_0) / (x_100 - x_0))
    if abs(found[0] - found[1]) > _SOC_TOLERANCE:
        raise InputError(
            f"c_init is a state of charge of {found[0]:.6f} in the negative and {found[1]:.6f} in "
            "the positive electrode",
            where=parameters.name,
            mend="BPX has one: change c_init, x_soc0 or x_soc100",
        )
    return found[0]


def _stoichiometry_limits(parameters: CellParameters) -> dict[str, tuple[float, float]]:
    """Return the stoichiometries at 0 % and 100 % state of charge of both electrodes."""
    negative, positive = parameters.negative, parameters.positive
    given = (negative.x_soc0, negative.x_soc100, positive.x_soc0, positive.x_soc100)
    if all(quantity is not None for quantity in given):
        n_0, n_100, p_0, p_100 = (quantity.value for quantity in given if quantity is not None)
        return {"negative": (n_0, n_100), "positive": (p_0, p_100)}
    balance = _Balance(parameters)
    cell = parameters.cell
    n_0 = balance.negative_at(cell.lower_voltage_cutoff.value)
    n_100 = balance.negative_at(cell.upper_voltage_cutoff.value)
    return {
        "negative": (n_0, n_100),
        "positive": (float(balance.positive(n_0)), float(balance.positive(n_100))),
    }


class _Balance:
    """The open-circuit voltage along the line of constant lithium."""

    def __init__(self, parameters: CellParameters) -> None:
        negative, positive = parameters.negative, parameters.positive
        self._name = parameters.name
        self._U_n, self._U_p = _potential(negative.ocp), _potential(positive.ocp)
        self._ratio = _sites(negative) / _sites(positive)
        self._n = negative.c_init.value / negative.c_max.value
        self._p = positive.c_init.value / positive.c_max.value

    def positive(self, x_n: Any) -> Any:
        """Return the stoichiometry of the positive electrode beside that of the negative one."""
        return self._p - self._ratio * (x_n - self._n)

    def negative_at(self, voltage: float) -> float:
        """Return the negative stoichiometry nearest to the start with this open-circuit voltage."""
        low = max(1e-6, self._n - (1.0 - 1e-6 - self._p) / self._ratio)
        high = min(1.0 - 1e-6, self._n + (self._p - 1e-6) / self._ratio)
        # Each round scans the bracket of the one before: 1e-3 ** 5 of the range is below round-off.
        for _ in range(_SCAN_ROUNDS):
            x = np.linspace(low, high, _SCAN_POINTS)
            above = self._U_p(self.positive(x)) - self._U_n(x) >= voltage
            crossings = np.flatnonzero(~above[:-1] & above[1:])
            if crossings.size == 0:
                break
            nearest = crossings[np.argmin(np.abs(x[crossings] - self._n))]
            low, high = float(x[nearest]), float(x[nearest + 1])
        else:
            return 0.5 * (low + high)
        if high - low < 1e-9:  # flat to round-off: any point of the bracket will do
            return 0.5 * (low + high)
        raise InputError(
            f"the open-circuit voltage does not cross {voltage:g} V",
            where=self._name,
            mend="give x_soc0 and x_soc100 in both electrodes",
        )


def _potential(ocp: Quantity | FunctionQuantity) -> Any:
    if isinstance(ocp, Quantity):
        return lambda x: np.full_like(x, ocp.value)
    function = ocp.as_callable()
    return lambda x: np.asarray(function(x))


def _sites(electrode: ElectrodeSection) -> float:
    return electrode.active_fraction.value * electrode.thickness.value * electrode.c_max.value
