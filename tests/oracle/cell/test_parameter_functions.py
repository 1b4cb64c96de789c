"""Our parameter sets against the same sets in PyBaMM: every number and every function."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradion.cell.parameters import CellParameters, FunctionQuantity, Quantity, load_parameters
from gradion.foundation.constants import F, R

STORED = Path(__file__).parent / "data" / "parameter_functions.json"
# Both sides evaluate the same formula in double precision; sums of large terms cost some digits.
# PyBaMM's F and R are rounded in the tenth digit and enter j0 and the Arrhenius factors.
RELATIVE = 1e-9
# A monotone spline of ours stands beside a cubic one of theirs [V].
TABLE_VOLTS = 5e-5
# The tables that we join as PyBaMM does: round-off [V].
SAME_TABLE_VOLTS = 1e-12

SETS = ("ai2020", "chen2020", "marquis2019")


def _stored() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return data


def _arrhenius(energy: Quantity, T: np.ndarray, parameters: CellParameters) -> np.ndarray:
    T_ref = parameters.cell.reference_temperature.value
    return np.exp(energy.value / R * (1.0 / T_ref - 1.0 / T))


def _value(quantity: Quantity | FunctionQuantity, *arguments: np.ndarray) -> np.ndarray:
    if isinstance(quantity, Quantity):
        return np.full_like(arguments[0], quantity.value)
    return np.asarray(quantity.as_callable()(*arguments))


def _ours(parameters: CellParameters, name: str, arguments: dict[str, np.ndarray]) -> np.ndarray:
    section, key = name.split(" ")[0].split(".")
    part = getattr(parameters, section)
    if key == "j0":
        c_e, c_s, c_max, T = arguments.values()
        k = part.k.value * _arrhenius(part.E_a_k, T, parameters)
        return F * k * np.sqrt(c_e * c_s * (c_max - c_s))
    if key == "D_s":
        factor = _arrhenius(part.E_a_D_s, arguments["T"], parameters)
        return _value(part.D_s, arguments["x"]) * factor
    value = _value(getattr(part, key), *arguments.values())
    if key in ("D_e", "kappa"):
        value = value * _arrhenius(getattr(part, f"E_a_{key}"), arguments["T"], parameters)
    return value


def _tolerances(name: str, set_name: str) -> dict[str, float]:
    if set_name == "ai2020" and name == "positive.ocp":
        return {"rtol": 0.0, "atol": TABLE_VOLTS}
    if set_name == "ai2020" and name == "negative.ocp":
        return {"rtol": 0.0, "atol": SAME_TABLE_VOLTS}
    return {"rtol": RELATIVE, "atol": 0.0}


def _check(set_name: str, theirs: dict[str, Any]) -> None:
    parameters = load_parameters(set_name)
    quantities = parameters.quantities()
    for path, expected in theirs["numbers"].items():
        quantity = quantities[path]
        assert isinstance(quantity, Quantity), path
        np.testing.assert_allclose(quantity.value, expected, rtol=1e-15, err_msg=path)
    for name, case in theirs["functions"].items():
        arguments = {key: np.array(values) for key, values in case["arguments"].items()}
        np.testing.assert_allclose(
            _ours(parameters, name, arguments),
            case["values"],
            **_tolerances(name, set_name),
            err_msg=f"{set_name} {name}",
        )


@pytest.mark.parametrize("set_name", SETS)
def test_agrees_with_stored_values(set_name: str) -> None:
    _check(set_name, _stored()["sets"][set_name])


@pytest.mark.parametrize("set_name", SETS)
def test_every_quantity_has_an_oracle(set_name: str) -> None:
    theirs = _stored()["sets"][set_name]
    covered = set(theirs["numbers"])
    covered |= {name.split(" ")[0] for name in theirs["functions"]}
    # Checked inside of j0, D_s, D_e and kappa.
    for electrode in ("negative", "positive"):
        covered |= {f"{electrode}.{key}" for key in ("k", "E_a_k", "E_a_D_s")}
    covered |= {"electrolyte.E_a_D_e", "electrolyte.E_a_kappa"}
    assert set(load_parameters(set_name).quantities()) <= covered


def test_provenance_is_stored() -> None:
    stored = _stored()
    assert stored["program"] == "PyBaMM"
    assert stored["version"] == "26.10.1.1"
    assert {"command", "date"} <= set(stored)


def _leaves(data: Any, path: str = "") -> Iterator[tuple[str, float]]:
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, dict | list):
            yield from _leaves(value, f"{path}/{key}")
        else:
            yield f"{path}/{key}", value


@pytest.mark.peers
def test_agrees_with_pybamm_live() -> None:
    pytest.importorskip("pybamm")
    live = importlib.import_module("oracles.parameter_functions").oracle_values()
    for set_name in SETS:
        _check(set_name, live["sets"][set_name])
    stored = dict(_leaves(_stored()["sets"]))
    for path, value in _leaves(live["sets"]):
        np.testing.assert_allclose(value, stored[path], rtol=1e-12, err_msg=path)
