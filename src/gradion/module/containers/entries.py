"""Entries of the containers of Parameters: Parameters, and whatever else is put beside them."""

from __future__ import annotations

from typing import Any

from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.module.static import is_array

__all__ = ["as_entry", "entry_of", "entry_text"]


def as_entry(value: Any) -> Any:
    """What a container keeps for `value`: a new Parameter for an array, else the thing itself.

    Raises TypeError for an array that is not floating.
    """
    return Parameter(value) if is_array(value) else value


def entry_of(module: Module, name: str) -> Any:
    """The entry itself: the Parameter object where reading gives its array."""
    parameter = module._parameters.get(name)
    return getattr(module, name) if parameter is None else parameter


def entry_text(module: Module, name: str) -> str:
    """What an entry is, for `repr`."""
    entry = entry_of(module, name)
    if not isinstance(entry, Parameter):
        return f"({name}): {type(entry).__name__}"
    if entry.is_uninitialized:
        size = "no shape yet"
    else:
        size = "x".join(str(n) for n in entry.shape) or "one number"
    unit = "" if entry.unit == "1" else f" in {entry.unit}"
    return f"({name}): Parameter [{entry.dtype}, {size}]{unit}"
