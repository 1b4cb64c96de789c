"""Parameter sets: those of the package by name, others by path."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from gradion.cell.parameters.quantity import FunctionQuantity, Quantity
from gradion.cell.parameters.schema import CellParameters
from gradion.cell.parameters.validation import input_error
from gradion.foundation.errors import InputError, unknown_name
from gradion.foundation.formula import Formula
from gradion.foundation.strict_json import strict_json

__all__ = [
    "available_parameter_sets",
    "load_parameters",
    "parameters_from_mapping",
    "parameters_to_mapping",
    "save_parameters",
]

_PACKAGE = "gradion.cell.parameters"
_SUFFIX = ".json"


def available_parameter_sets() -> tuple[str, ...]:
    """Return the names of the parameter sets in the package, sorted."""
    files = resources.files(_PACKAGE).iterdir()
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in files if f.name.endswith(_SUFFIX)))


def load_parameters(name_or_path: str | os.PathLike[str]) -> CellParameters:
    """Return a parameter set of the package, or the one in a file.

    A string that is no path to a JSON file is the name of a set, such as ``chen2020``; capitals do
    not count. Raises InputError in one line, naming the file and the key, if the name is not known
    or the file cannot be used. A BPX file is read by `gradion.cell.io.bpx.read_bpx`.
    """
    text = os.fspath(name_or_path)
    if text.endswith(_SUFFIX) or os.sep in text or isinstance(name_or_path, os.PathLike):
        path = Path(text)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror or type(error).__name__})", where=text
            ) from None
        return _parsed(content, path.name)
    known = available_parameter_sets()
    if text.lower() not in known:
        raise unknown_name("parameter set", text, known)
    return _load_packaged(text.lower())


def parameters_from_mapping(data: object, *, where: str) -> CellParameters:
    """Return the parameters of a JSON object already read; ``where`` names it in errors.

    Raises InputError if it is no parameter set.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"got a {type(data).__name__}", where=where, mend="expected an object")
    try:
        return CellParameters.model_validate(data)
    except ValidationError as error:
        raise input_error(error, CellParameters, where=where) from None


def parameters_to_mapping(parameters: CellParameters) -> dict[str, object]:
    """Return the JSON object of a set, in SI, from which an equal set is read."""
    data: dict[str, object] = {
        "name": parameters.name,
        "title": parameters.title,
        "references": [r.model_dump(exclude_none=True) for r in parameters.references],
    }
    for path, quantity in parameters.quantities().items():
        section, key = path.split(".")
        entries = data.setdefault(section, {})
        if isinstance(entries, dict):
            entries[key] = _entry(quantity)
    return data


def save_parameters(parameters: CellParameters, path: str | os.PathLike[str]) -> None:
    """Write a set as a JSON file, from which `load_parameters` reads an equal set.

    The file appears whole or not at all. Raises OSError if it cannot be written.
    """
    target = Path(path)
    text = json.dumps(parameters_to_mapping(parameters), indent=2, allow_nan=False) + "\n"
    # In the same directory: a file is not replaced across file systems.
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@functools.cache
def _load_packaged(name: str) -> CellParameters:
    # Frozen, so every caller may have the same object.
    return _parsed(resources.files(_PACKAGE).joinpath(name + _SUFFIX).read_bytes(), name + _SUFFIX)


def _parsed(content: bytes, where: str) -> CellParameters:
    return parameters_from_mapping(strict_json(content, where=where), where=where)


def _entry(quantity: Quantity | FunctionQuantity) -> dict[str, object]:
    entry: dict[str, object]
    if isinstance(quantity, Quantity):
        entry = {"value": quantity.value, "unit": quantity.unit, "source": quantity.source}
        return entry if quantity.bounds is None else {**entry, "bounds": list(quantity.bounds)}
    if isinstance(quantity.function, Formula):
        entry = {"formula": str(quantity.function)}
    else:
        table = quantity.function
        entry = {
            "table": {"x": list(table.x), "y": list(table.y)},
            "interpolation": table.interpolation.value,
        }
    return {**entry, "unit": quantity.unit, "source": quantity.source}
