"""What is common to reading and writing BPX: its names, and the `bpx` package behind one door."""

from __future__ import annotations

import copy
import types
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gradion.foundation.errors import InputError
from gradion.foundation.formula import Formula

__all__ = [
    "CELL_NUMBERS",
    "ELECTRODES",
    "ELECTRODE_ENERGIES",
    "ELECTRODE_NUMBERS",
    "ELECTROLYTE_ENERGIES",
    "FUNCTIONS",
    "OWN_SECTION",
    "bpx_package",
    "checked",
]

ELECTRODES = {"negative": "Negative electrode", "positive": "Positive electrode"}

# Our key: BPX's name and the unit as BPX means it. These carry over as they are.
CELL_NUMBERS = {
    "electrode_area": ("Electrode area [m2]", "m^2"),
    "electrodes_in_parallel": (
        "Number of electrode pairs connected in parallel to make a cell",
        "1",
    ),
    "nominal_capacity": ("Nominal cell capacity [A.h]", "A*h"),
    "lower_voltage_cutoff": ("Lower voltage cut-off [V]", "V"),
    "upper_voltage_cutoff": ("Upper voltage cut-off [V]", "V"),
    "reference_temperature": ("Reference temperature [K]", "K"),
    "volume": ("Volume [m3]", "m^3"),
    "cooling_area": ("External surface area [m2]", "m^2"),
}
ELECTRODE_NUMBERS = {
    "thickness": ("Thickness [m]", "m"),
    "porosity": ("Porosity", "1"),
    "c_max": ("Maximum concentration [mol.m-3]", "mol/m^3"),
    "particle_radius": ("Particle radius [m]", "m"),
}
ELECTRODE_ENERGIES = {
    "E_a_D_s": "Diffusivity activation energy [J.mol-1]",
    "E_a_k": "Reaction rate constant activation energy [J.mol-1]",
}
ELECTROLYTE_ENERGIES = {
    "E_a_D_e": "Diffusivity activation energy [J.mol-1]",
    "E_a_kappa": "Conductivity activation energy [J.mol-1]",
}
# Numbers, formulas or tables: BPX's name, our unit and our variables; BPX calls each of them x.
FUNCTIONS = {
    "D_s": ("Diffusivity [m2.s-1]", "m^2/s", ("x",)),
    "ocp": ("OCP [V]", "V", ("x",)),
    "entropic_change": ("Entropic change coefficient [V.K-1]", "V/K", ("x",)),
    "D_e": ("Diffusivity [m2.s-1]", "m^2/s", ("c_e", "T")),
    "kappa": ("Conductivity [S.m-1]", "S/m", ("c_e", "T")),
}
# Under User-defined. Its description holds, as JSON, what BPX has no place for.
OWN_SECTION = "gradion"

_OCP = FUNCTIONS["ocp"][0]
_STAND_IN = {"x": [0.0, 1.0], "y": [1.0, 0.0]}


def bpx_package() -> types.ModuleType:
    """Return the `bpx` package; InputError, saying what to install, if it is missing."""
    try:
        import bpx
    except ImportError:
        raise InputError(
            "BPX files need the package bpx", mend="run: pip install gradion[cell]"
        ) from None
    module: types.ModuleType = bpx
    return module


def checked(data: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Return a BPX object as the `bpx` package reads it, by BPX's names; absent keys are left out.

    Objects of BPX 0.x are converted, with a warning. Formulas are read by our grammar first, and
    the two open-circuit potentials are kept from the package altogether: it runs them as Python
    code to test the voltage limits.

    Raises InputError naming the place if the object is not BPX.
    """
    bpx = bpx_package()
    without = copy.deepcopy(dict(data))
    _check_formulas(without, where)
    potentials = {}
    for name in ELECTRODES.values():
        electrode = _section(without, "Parameterisation", name)
        if _OCP in electrode and isinstance(electrode[_OCP], str):
            potentials[name] = electrode[_OCP]
            electrode[_OCP] = dict(_STAND_IN)
    try:
        model = bpx.parse_bpx_obj(without)
        found: dict[str, Any] = model.model_dump(by_alias=True, exclude_none=True)
    except ValidationError as error:
        raise _validation_error(error, where) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The package looks up sections before it validates them.
        text = str(error) or type(error).__name__
        raise InputError(f"no BPX object: {text}", where=where) from None
    for name, text in potentials.items():
        found["Parameterisation"][name][_OCP] = text
    return found


def _check_formulas(data: Mapping[str, Any], where: str) -> None:
    """Read every formula by our grammar; put each on one line, as both grammars want it."""
    keys = {name for name, _, _ in FUNCTIONS.values()}
    for name in ("Electrolyte", *ELECTRODES.values()):
        section = _section(data, "Parameterisation", name)
        for key, entry in section.items():
            if not isinstance(entry, str) or not (key in keys or key.startswith("OCP")):
                continue
            section[key] = " ".join(entry.split())
            try:
                Formula(section[key])
            except InputError as error:
                raise InputError(
                    error.what, where=f"{where}: Parameterisation.{name}.{key}", mend=error.mend
                ) from None


def _section(data: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return a section to be edited; an empty one where there is none."""
    found: Any = data
    for key in path:
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, dict) else {}


def _validation_error(error: ValidationError, where: str) -> InputError:
    """Return the first error in one line, through the errors that bpx wraps in others."""
    place: list[str] = []
    cause: Any = error
    message = ""
    while isinstance(cause, ValidationError):
        first = cause.errors(include_url=False)[0]
        place.extend(str(key) for key in first["loc"])
        message = first["msg"]
        cause = first.get("ctx", {}).get("error")
    at = f"{where}: {'.'.join(place)}" if place else where
    return InputError(f"no BPX object: {message}", where=at)
