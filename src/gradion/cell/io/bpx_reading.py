"""From a BPX file to our parameters."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from gradion.cell.parameters import CellParameters, parameters_from_mapping
from gradion.foundation.errors import InputError
from gradion.foundation.formula import Formula
from gradion.foundation.strict_json import strict_json

__all__ = ["read_bpx"]

_Entry = dict[str, Any]
# BPX's conventional salt concentration, where a file gives none [mol/m^3].
_CONCENTRATION = 1000.0
# Of a layer without solid, where BPX's transport efficiency of 1 says nothing about the exponent.
_BRUGGEMAN_OF_ALL_PORES = 1.5


def read_bpx(path: str | os.PathLike[str]) -> CellParameters:
    """Return the parameters in a BPX file (JSON, BPX 1.x; 0.x is converted with a warning).

    BPX's conventions become ours:

    - The reaction rate constant K [mol/(m^2*s)] belongs to
      ``j0 = F * K * sqrt(c_e/c_e0 * c_s/c_max * (1 - c_s/c_max))`` with c_e0 the initial salt
      concentration, so ``k = K / (c_max * sqrt(c_e0))``. The transfer coefficient is one half.
    - The surface area a per volume gives the active fraction ``a * radius / 3``.
    - A transport efficiency B gives the exponent ``ln B / ln porosity``.
    - Electronic conductivities are effective ones: their exponent is 0.
    - The initial state of charge, 1 where the file has none, sets the initial concentrations
      between the stoichiometry limits.
    - Density and heat capacity of the cell go to every layer; there are no collectors.
    - Points of a table are joined by a monotone spline, sorted by x.

    A missing initial or ambient temperature is the reference temperature, a missing activation
    energy or entropic change is zero, a missing salt concentration 1000 mol/m^3; the source of the
    quantity says so. Left out with a warning are hysteresis branches and user-defined quantities
    that `write_bpx` did not write. Validation data are not read.

    Source: the BPX standard 1.1 of the Faraday Institution, github.com/FaradayInstitution/BPX.
    Raises InputError in one line, naming the place, if the file is no BPX file, or holds what is
    not supported: blended electrodes, SPM and partial parameter sets, degraded states.
    """
    file = Path(path)
    if file.suffix.lower() in (".yml", ".yaml"):
        raise InputError("YAML is not supported", where=file.name, mend="convert it to JSON")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or type(error).__name__})", where=os.fspath(path)
        ) from None
    data = strict_json(content, where=file.name)
    if not isinstance(data, Mapping):
        raise InputError(
            f"got a {type(data).__name__}", where=file.name, mend="expected a BPX object"
        )
    _refuse_unsupported(data, file.name)
    return _Reading(checked(data, where=file.name), file).parameters()


def _refuse_unsupported(data: Mapping[str, Any], where: str) -> None:
    """Name what is not supported before anything else is said about the file."""
    model = _get(data, "Header", "Model")
    if model in ("SPM", "Partial"):
        raise InputError(
            f"a parameter set for the model {model!r} is not supported",
            where=f"{where}: Header.Model",
            mend="expected a full set, of 'DFN' or 'SPMe'",
        )
    for name in ELECTRODES.values():
        if _get(data, "Parameterisation", name, "Particle") is not None:
            raise InputError(
                "a blended electrode is not supported",
                where=f"{where}: Parameterisation.{name}.Particle",
                mend="expected one active material",
            )
    degradation = _get(data, "State", "Degradation")
    if isinstance(degradation, Mapping):
        for key, value in degradation.items():
            if value != 0:
                raise InputError(
                    f"the degraded state {value!r} is not supported",
                    where=f"{where}: State.Degradation.{key}",
                    mend="expected 0",
                )


def _get(data: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


class _Reading:
    """One checked BPX object on its way to our file format."""

    def __init__(self, data: Mapping[str, Any], file: Path) -> None:
        self._file = file
        self._header = data["Header"]
        self._parts = data["Parameterisation"]
        self._initial = _get(data, "State", "Initial conditions") or {}
        self._thermal = _get(data, "State", "Thermal environment") or {}
        self._own = self._own_section()
        self._source = f"BPX file {file.name}"

    def parameters(self) -> CellParameters:
        self._warn_of_what_is_left_out()
        sections: dict[str, dict[str, Any]] = {
            "cell": self._cell(),
            "separator": self._porous("Separator"),
            "electrolyte": self._electrolyte(),
            **{ours: self._electrode(ours, theirs) for ours, theirs in ELECTRODES.items()},
        }
        for path, entry in self._own.get("entries", {}).items():
            section, _, key = str(path).partition(".")
            sections.setdefault(section, {})[key] = entry
        for path, source in self._own.get("sources", {}).items():
            section, _, key = str(path).partition(".")
            if key in sections.get(section, {}):
                sections[section][key]["source"] = source
        for path in self._own.get("cubic", ()):
            section, _, key = str(path).partition(".")
            if "table" in sections.get(section, {}).get(key, {}):
                sections[section][key]["interpolation"] = "cubic"
        data = {
            "name": self._own.get("name", self._file.stem),
            "title": self._header.get("Title", self._file.stem),
            "references": self._references(),
            **sections,
        }
        return parameters_from_mapping(data, where=self._file.name)

    def _cell(self) -> dict[str, _Entry]:
        cell = self._parts["Cell"]
        result = {
            key: self._number(cell[name], unit)
            for key, (name, unit) in CELL_NUMBERS.items()
            if name in cell
        }
        if "reference_temperature" not in result:
            raise InputError(
                "the reference temperature is missing",
                where=f"{self._file.name}: Parameterisation.Cell",
                mend=f"give {CELL_NUMBERS['reference_temperature'][0]!r}",
            )
        T_ref = result["reference_temperature"]["value"]
        default = f"{self._source}: not given, the reference temperature"
        for key, section, name in (
            ("initial_temperature", self._initial, "Initial temperature [K]"),
            ("ambient_temperature", self._thermal, "Ambient temperature [K]"),
        ):
            given = section.get(name)
            result[key] = (
                self._number(T_ref, "K", default) if given is None else self._number(given, "K")
            )
        result["contact_resistance"] = self._number(
            0.0, "ohm", f"{self._source}: BPX has no contact resistance"
        )
        h = self._thermal.get("Heat transfer coefficient [W.m-2.K-1]")
        if h is not None:
            result["heat_transfer_coefficient"] = self._number(h, "W/(m^2*K)")
        return result

    def _porous(self, name: str) -> dict[str, _Entry]:
        """Return what the separator and the electrodes share."""
        part, cell = self._parts[name], self._parts["Cell"]
        result = {
            "thickness": self._number(part["Thickness [m]"], "m"),
            "porosity": self._number(part["Porosity"], "1"),
            "bruggeman_electrolyte": self._bruggeman(part, name),
        }
        for key, theirs, unit in (
            ("density", "Density [kg.m-3]", "kg/m^3"),
            ("heat_capacity", "Specific heat capacity [J.K-1.kg-1]", "J/(kg*K)"),
        ):
            if theirs in cell:
                source = f"{self._source}: average of the cell"
                result[key] = self._number(cell[theirs], unit, source)
        return result

    def _bruggeman(self, part: Mapping[str, Any], name: str) -> _Entry:
        porosity, efficiency = part["Porosity"], part["Transport efficiency"]
        if porosity == 1.0 and efficiency == 1.0:
            source = f"{self._source}: any exponent, as there is no solid"
            return self._number(_BRUGGEMAN_OF_ALL_PORES, "1", source)
        if not (0.0 < porosity < 1.0 and 0.0 < efficiency <= 1.0):
            raise InputError(
                f"got porosity {porosity!r} and transport efficiency {efficiency!r}",
                where=f"{self._file.name}: Parameterisation.{name}",
                mend="expected both between 0 and 1",
            )
        source = f"{self._source}: from the transport efficiency {efficiency!r}"
        # 0.0 + ...: the exponent of an efficiency of one is 0, not -0.
        return self._number(0.0 + math.log(efficiency) / math.log(porosity), "1", source)

    def _electrode(self, ours: str, theirs: str) -> dict[str, _Entry]:
        part = self._parts[theirs]
        result = self._porous(theirs)
        for key, (name, unit) in ELECTRODE_NUMBERS.items():
            result[key] = self._number(part[name], unit)
        radius, area = part["Particle radius [m]"], part["Surface area per unit volume [m-1]"]
        result["active_fraction"] = self._number(
            area * radius / 3.0, "1", f"{self._source}: from the surface area {area!r} 1/m"
        )
        result["conductivity"] = self._number(part["Conductivity [S.m-1]"], "S/m")
        result["bruggeman_electrode"] = self._number(
            0.0, "1", f"{self._source}: conductivities of BPX are effective"
        )
        result["alpha"] = self._number(0.5, "1", f"{self._source}: one half in BPX")
        for key, name in ELECTRODE_ENERGIES.items():
            result[key] = self._energy(part, name)
        for key in ("D_s", "ocp", "entropic_change"):
            result[key] = self._function(part, key)
        c_max = part[ELECTRODE_NUMBERS["c_max"][0]]
        K = part["Reaction rate constant [mol.m-2.s-1]"]
        result["k"] = self._number(
            K / (c_max * math.sqrt(self._salt_concentration())),
            "m^2.5/(mol^0.5*s)",
            f"{self._source}: from K = {K!r} mol/(m^2*s)",
        )
        return {**result, **self._stoichiometries(ours, part, c_max)}

    def _stoichiometries(
        self, ours: str, part: Mapping[str, Any], c_max: float
    ) -> dict[str, _Entry]:
        low, high = part["Minimum stoichiometry"], part["Maximum stoichiometry"]
        # Charging fills the negative electrode and empties the positive one.
        x_0, x_100 = (low, high) if ours == "negative" else (high, low)
        soc = self._initial.get("Initial state-of-charge", 1.0)
        return {
            "x_soc0": self._number(x_0, "1"),
            "x_soc100": self._number(x_100, "1"),
            "c_init": self._number(
                c_max * (x_0 + soc * (x_100 - x_0)),
                "mol/m^3",
                f"{self._source}: at the state of charge {soc!r}",
            ),
        }

    def _electrolyte(self) -> dict[str, _Entry]:
        part = self._parts["Electrolyte"]
        given = "Initial electrolyte concentration [mol.m-3]" in self._initial
        source = None if given else f"{self._source}: not given, 1 mol/l"
        ideal = f"{self._source}: BPX has no thermodynamic factor"
        return {
            "c_init": self._number(self._salt_concentration(), "mol/m^3", source),
            "t_plus": self._number(part["Cation transference number"], "1"),
            "thermodynamic_factor": self._number(1.0, "1", ideal),
            **{key: self._function(part, key) for key in ("D_e", "kappa")},
            **{key: self._energy(part, name) for key, name in ELECTROLYTE_ENERGIES.items()},
        }

    def _salt_concentration(self) -> float:
        name = "Initial electrolyte concentration [mol.m-3]"
        return float(self._initial.get(name, _CONCENTRATION))

    def _energy(self, part: Mapping[str, Any], name: str) -> _Entry:
        if name in part:
            return self._number(part[name], "J/mol")
        return self._number(0.0, "J/mol", f"{self._source}: not given, zero")

    def _function(self, part: Mapping[str, Any], key: str) -> _Entry:
        name, unit, variables = FUNCTIONS[key]
        given = part.get(name)
        if given is None:
            return self._number(0.0, unit, f"{self._source}: not given, zero")
        if isinstance(given, str):
            formula = Formula(given).substitute({"x": variables[0]})
            if not formula.used_variables():
                return self._number(float(formula(0.0)), unit)
            return {"formula": str(formula), "unit": unit, "source": self._source}
        if isinstance(given, Mapping):
            points = sorted(zip(given["x"], given["y"], strict=True))
            table = {"x": [x for x, _ in points], "y": [y for _, y in points]}
            return {"table": table, "unit": unit, "source": self._source}
        return self._number(given, unit)

    def _number(self, value: float, unit: str, source: str | None = None) -> _Entry:
        return {"value": value, "unit": unit, "source": source or self._source}

    def _references(self) -> list[dict[str, Any]]:
        own = self._own.get("references")
        if isinstance(own, list):
            return own
        text = self._header.get("References")
        return [{"key": "BPX", "citation": text}] if text else []

    def _own_section(self) -> dict[str, Any]:
        """Return what `write_bpx` put aside; nothing if the file is of another hand."""
        text = _get(self._parts, "User-defined", OWN_SECTION, "description")
        if not isinstance(text, str):
            return {}
        where = f"{self._file.name}: Parameterisation.User-defined.{OWN_SECTION}.description"
        own = strict_json(text.encode(), where=where)
        kinds = {"entries": dict, "sources": dict, "cubic": list}
        if not isinstance(own, dict) or not all(
            isinstance(own.get(key, kind()), kind) for key, kind in kinds.items()
        ):
            raise InputError(
                "not as write_bpx writes it",
                where=where,
                mend="remove the section, or write it again",
            )
        return own

    def _warn_of_what_is_left_out(self) -> None:
        left_out = [
            f"Parameterisation.{name}.{key}"
            for name in ELECTRODES.values()
            for key in ("OCP (delithiation) [V]", "OCP (lithiation) [V]")
            if key in self._parts[name]
        ]
        user_defined = self._parts.get("User-defined") or {}
        left_out += [
            f"Parameterisation.User-defined.{key}"
            for key in user_defined
            if key not in (OWN_SECTION, "description")
        ]
        if left_out:
            warnings.warn(
                f"{self._file.name}: left out: {', '.join(left_out)}", UserWarning, stacklevel=4
            )
