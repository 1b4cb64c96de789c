"""Write the numbers and function values of PyBaMM's parameter sets, as an oracle for ours.

Run with a Python that has PyBaMM: ``python tools/oracles/parameter_functions.py OUTPUT.json``.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

SETS = {"ai2020": "Ai2020", "chen2020": "Chen2020", "marquis2019": "Marquis2019"}
TEMPERATURES = (298.15, 310.0)
CONCENTRATIONS = (20.0, 200.0, 500.0, 800.0, 1000.0, 1200.0, 1500.0, 2000.0, 2500.0, 3000.0)
STOICHIOMETRIES = {
    # Where the measured potentials of the set reach; the tables of Ai2020 end at 0.4 and 0.9989.
    "negative": (0.01, 0.03, 0.048, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95),
    "positive": (0.41, 0.45, 0.53855, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99),
}
LAYERS = {
    "negative": "Negative electrode",
    "separator": "Separator",
    "positive": "Positive electrode",
    "negative_collector": "Negative current collector",
    "positive_collector": "Positive current collector",
}
LAYER_NUMBERS = {
    "thickness": "thickness [m]",
    "density": "density [kg.m-3]",
    "heat_capacity": "specific heat capacity [J.kg-1.K-1]",
    "thermal_conductivity": "thermal conductivity [W.m-1.K-1]",
}
POROUS_NUMBERS = {
    "porosity": "porosity",
    "bruggeman_electrolyte": "Bruggeman coefficient (electrolyte)",
}
ELECTRODE_NUMBERS = {
    "active_fraction": "active material volume fraction",
    "bruggeman_electrode": "Bruggeman coefficient (electrode)",
    "conductivity": "conductivity [S.m-1]",
    "alpha": "charge transfer coefficient",
}
OTHER_NUMBERS = {
    "cell.electrodes_in_parallel": "Number of electrodes connected in parallel to make a cell",
    "cell.nominal_capacity": "Nominal cell capacity [A.h]",
    "cell.lower_voltage_cutoff": "Lower voltage cut-off [V]",
    "cell.upper_voltage_cutoff": "Upper voltage cut-off [V]",
    "cell.reference_temperature": "Reference temperature [K]",
    "cell.ambient_temperature": "Ambient temperature [K]",
    "cell.initial_temperature": "Initial temperature [K]",
    "cell.contact_resistance": "Contact resistance [Ohm]",
    "cell.volume": "Cell volume [m3]",
    "cell.cooling_area": "Cell cooling surface area [m2]",
    "cell.heat_transfer_coefficient": "Total heat transfer coefficient [W.m-2.K-1]",
    "electrolyte.c_init": "Initial concentration in electrolyte [mol.m-3]",
    "electrolyte.t_plus": "Cation transference number",
    "negative.c_max": "Maximum concentration in negative electrode [mol.m-3]",
    "negative.c_init": "Initial concentration in negative electrode [mol.m-3]",
    "negative.particle_radius": "Negative particle radius [m]",
    "negative_collector.conductivity": "Negative current collector conductivity [S.m-1]",
    "positive.c_max": "Maximum concentration in positive electrode [mol.m-3]",
    "positive.c_init": "Initial concentration in positive electrode [mol.m-3]",
    "positive.particle_radius": "Positive particle radius [m]",
    "positive_collector.conductivity": "Positive current collector conductivity [S.m-1]",
}


def oracle_values() -> dict[str, Any]:
    """Return numbers and function values of the three sets, by the paths of our files."""
    # Not at the top: this file is also imported where PyBaMM is not installed.
    import pybamm

    return {
        "program": "PyBaMM",
        "version": pybamm.__version__,
        "command": "python tools/oracles/parameter_functions.py OUTPUT.json",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "sets": {ours: _set(pybamm, theirs) for ours, theirs in SETS.items()},
    }


def _set(pybamm: Any, name: str) -> dict[str, Any]:
    values = pybamm.ParameterValues(name)
    numbers = {path: float(values[theirs]) for path, theirs in _number_names().items()}
    numbers["cell.electrode_area"] = values["Electrode height [m]"] * values["Electrode width [m]"]
    return {"numbers": numbers, "functions": _functions(pybamm, values)}


def _number_names() -> dict[str, str]:
    names = dict(OTHER_NUMBERS)
    for layer, prefix in LAYERS.items():
        tables = [LAYER_NUMBERS]
        if not layer.endswith("collector"):
            tables.append(POROUS_NUMBERS)
        if layer in STOICHIOMETRIES:
            tables.append(ELECTRODE_NUMBERS)
        for table in tables:
            names.update({f"{layer}.{key}": f"{prefix} {text}" for key, text in table.items()})
    return names


def _functions(pybamm: Any, values: Any) -> dict[str, Any]:
    c_e, x_n = np.array(CONCENTRATIONS), np.array(STOICHIOMETRIES["negative"])
    result = {}
    for key, name in (
        ("D_e", "Electrolyte diffusivity [m2.s-1]"),
        ("kappa", "Electrolyte conductivity [S.m-1]"),
        ("thermodynamic_factor", "Thermodynamic factor"),
    ):
        for T in TEMPERATURES:
            arguments = {"c_e": c_e, "T": np.full_like(c_e, T)}
            result[f"electrolyte.{key} at {T} K"] = _case(pybamm, values, name, arguments)
    for electrode in STOICHIOMETRIES:
        prefix = electrode.capitalize()
        x = np.array(STOICHIOMETRIES[electrode])
        c_max = values[f"Maximum concentration in {electrode} electrode [mol.m-3]"]
        for key, name in (
            ("ocp", f"{prefix} electrode OCP [V]"),
            ("entropic_change", f"{prefix} electrode OCP entropic change [V.K-1]"),
        ):
            result[f"{electrode}.{key}"] = _case(pybamm, values, name, {"x": x})
        for T in TEMPERATURES:
            temperatures = np.full_like(x_n, T)
            result[f"{electrode}.D_s at {T} K"] = _case(
                pybamm,
                values,
                f"{prefix} particle diffusivity [m2.s-1]",
                {"x": x, "T": temperatures},
            )
            result[f"{electrode}.j0 at {T} K"] = _case(
                pybamm,
                values,
                f"{prefix} electrode exchange-current density [A.m-2]",
                {"c_e": c_e, "c_s": x * c_max, "c_max": np.full_like(x, c_max), "T": temperatures},
            )
    return result


def _case(pybamm: Any, values: Any, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = values[name]
    if callable(function):
        symbol = function(*(pybamm.Vector(argument) for argument in arguments.values()))
        found = np.ravel(values.process_symbol(symbol).evaluate())
    else:
        found = np.full_like(next(iter(arguments.values())), float(function))
    listed = {key: argument.tolist() for key, argument in arguments.items()}
    return {"arguments": listed, "values": found.tolist()}


def main() -> None:
    """Write the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/oracles/parameter_functions.py OUTPUT.json")
    text = json.dumps(oracle_values(), indent=1)
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
