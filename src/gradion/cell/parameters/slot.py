"""One key of a parameter file: which unit, bounds and variables it has, and how it is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from pydantic_core import core_schema

from gradion.cell.parameters.quantity import FunctionQuantity, Interpolation, Quantity, Table
from gradion.foundation.errors import InputError, unknown_name
from gradion.foundation.formula import Formula
from gradion.foundation.units import conversion_factor

__all__ = ["Slot"]

_COMMON_KEYS = ("unit", "source")
_KINDS = {
    "value": ("bounds",),
    "formula": (),
    "table": ("interpolation",),
}


@dataclasses.dataclass(frozen=True)
class Slot:
    """What a key may hold: a number within bounds or, with variables, also a function.

    ``unit`` is the SI unit to which entries are converted; ``bounds`` are the default ones of the
    kind of quantity, and may be replaced in a file. Without ``variables`` only a number is taken.
    """

    unit: str
    bounds: tuple[float, float]
    variables: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: object
    ) -> core_schema.CoreSchema:
        """Let a pydantic field annotated with the slot be read by it."""
        return core_schema.no_info_plain_validator_function(self.read)

    def read(self, entry: object) -> Quantity | FunctionQuantity:
        """Return the quantity of one entry of a file, or of one already read.

        Raises InputError for an entry that is none, has a wrong unit, or is out of bounds.
        """
        if isinstance(entry, Quantity | FunctionQuantity):
            return self._accepted(entry)
        if not isinstance(entry, Mapping):
            raise InputError(
                f"got {_kind_of(entry)}", mend="expected an object with value, unit and source"
            )
        kinds = [kind for kind in _KINDS if kind in entry]
        if len(kinds) != 1:
            raise InputError(
                f"got {' and '.join(kinds) or 'none'} of value, formula and table",
                mend="expected exactly one",
            )
        (kind,) = kinds
        self._check_keys(entry, kind)
        source = _text(entry, "source")
        factor = conversion_factor(_text(entry, "unit"), self.unit)
        if kind == "value":
            return self._number(entry, factor, source)
        if not self.variables:
            raise InputError(f"got a {kind}", mend="expected a number here")
        function = self._formula(entry, factor) if kind == "formula" else _table(entry, factor)
        return FunctionQuantity(function, self.unit, source, self.variables)

    def number(self, value: float, source: str) -> Quantity:
        """Return a number of this slot, in SI, with the default bounds.

        Raises InputError if it is out of bounds.
        """
        return self._within(value, source, self.bounds)

    def _accepted(self, entry: Quantity | FunctionQuantity) -> Quantity | FunctionQuantity:
        if entry.unit != self.unit:
            raise InputError(f"got the unit {entry.unit!r}", mend=f"expected {self.unit!r}")
        if isinstance(entry, FunctionQuantity) and entry.variables != self.variables:
            raise InputError(
                f"got a function of {entry.variables}",
                mend=f"expected {self.variables or 'a number'}",
            )
        return entry

    def _check_keys(self, entry: Mapping[str, object], kind: str) -> None:
        known = (kind, *_COMMON_KEYS, *_KINDS[kind])
        for key in entry:
            if key not in known:
                raise unknown_name("key", str(key), known)

    def _number(self, entry: Mapping[str, object], factor: float, source: str) -> Quantity:
        value = _finite(entry["value"], "value") * factor
        given = entry.get("bounds")
        if given is None:
            return self._within(value, source, self.bounds)
        if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
            raise InputError(f"bounds: got {given!r}", mend="expected two numbers")
        low, high = (_finite(bound, "bounds") * factor for bound in given)
        return self._within(value, source, (low, high))

    def _within(self, value: float, source: str, bounds: tuple[float, float]) -> Quantity:
        try:
            return Quantity(value, self.unit, source, bounds)
        except ValueError as error:
            raise InputError(str(error)) from None

    def _formula(self, entry: Mapping[str, object], factor: float) -> Formula:
        return Formula(_text(entry, "formula"), self.variables).scaled(factor)


def _table(entry: Mapping[str, object], factor: float) -> Table:
    table = entry["table"]
    if not isinstance(table, Mapping) or set(table) != {"x", "y"}:
        raise InputError("table: got other than x and y", mend="expected an object of two lists")
    name = entry.get("interpolation", Interpolation.MONOTONE.value)
    known = {kind.value: kind for kind in Interpolation}
    if not isinstance(name, str) or name not in known:
        raise unknown_name("interpolation", str(name), known)
    x, y = tuple(_numbers(table["x"], "x")), tuple(_numbers(table["y"], "y"))
    try:
        return Table(x, tuple(value * factor for value in y), known[name])
    except ValueError as error:
        raise InputError(f"table: {error}") from None


def _numbers(column: object, name: str) -> Iterator[float]:
    if isinstance(column, str) or not isinstance(column, Sequence):
        raise InputError(f"table: {name}: got {_kind_of(column)}", mend="expected a list")
    for i, number in enumerate(column):
        yield _finite(number, f"table: {name}[{i}]")


def _finite(number: object, name: str) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InputError(f"{name}: got {_kind_of(number)}", mend="expected a number")
    try:
        result = float(number)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InputError(f"{name}: got {result}", mend="expected a finite number")
    return result


def _text(entry: Mapping[str, object], key: str) -> str:
    text = entry.get(key)
    if not isinstance(text, str) or not text.strip():
        found = "nothing" if key not in entry else _kind_of(text)
        raise InputError(f"{key}: got {found}", mend="expected a text")
    return text


def _kind_of(entry: object) -> str:
    """Return an entry in words short enough for one line."""
    shown = repr(entry)
    return shown if len(shown) <= 40 else f"{type(entry).__name__} {shown[:30]}..."
