"""Units as text: checked, brought to one spelling, converted.

Grammar: products and quotients of unit names, with ``^`` or ``**`` for powers: ``m^2/s``,
``W/(m*K)``, ``A*h``, ``mol^0.5``. ``1`` means dimensionless. Foreign spellings such as
``mol.m-3`` are translated in the io modules, not here.

Pint does the work. It is imported at first use, because it takes longer to import than all of
gradion may, and results are cached.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from gradion.foundation.errors import InputError, near_names

if TYPE_CHECKING:
    import pint

__all__ = ["check_unit", "conversion_factor", "dimensionality"]

_BASE_DIMENSIONS = (
    "[mass]",
    "[length]",
    "[time]",
    "[current]",
    "[temperature]",
    "[substance]",
    "[luminosity]",
)
_MAX_LENGTH = 100
_ALLOWED = re.compile(r"[A-Za-z0-9_%*/^()+\-. ]*")
# One power, never a tower of powers: m^9^9^9 would be computed as an integer before it fails.
_TOWER = re.compile(r"(\^|\*\*)[^*/]*(\^|\*\*)")
_POINT_AS_PRODUCT = re.compile(r"\.(?![0-9])|(?<![0-9])\.(?=[0-9])")
_ASCII_SYMBOLS = (("\u0394\u00b0", "delta_deg"), ("\u00b0", "deg"), ("\u00b5", "u"))
_ASCII_NAMES = (("\u03bc", "u"), ("\u03a9", "ohm"), ("\u00c5", "angstrom"))


@functools.lru_cache(maxsize=4096)
def check_unit(text: str) -> str:
    """Return the canonical text of a unit.

    The text is ASCII, with short symbols in pint's order and ``^`` for powers; dimensionless is
    ``"1"``. Units keep their scale (``um`` stays ``um``), and the result is its own canonical text.
    Raises InputError if the text is no unit, TypeError if it is no string.
    """
    return _canonical(_parse(text))


@functools.lru_cache(maxsize=4096)
def conversion_factor(from_unit: str, to_unit: str) -> float:
    """Return the factor f with ``value [to_unit] = f * value [from_unit]``.

    Raises InputError if the dimensions differ, or if a unit has an offset (``degC``).
    """
    source, target = _parse(from_unit), _parse(to_unit)
    if source.dimensionality != target.dimensionality:
        raise InputError(
            f"unit {from_unit!r} has dimension {_dimension_text(source)}",
            mend=f"expected {_dimension_text(target)}, as {to_unit!r} has",
        )
    if source == target:
        return 1.0
    for unit, text in ((source, from_unit), (target, to_unit)):
        if not _is_multiplicative(unit):
            raise InputError(
                f"unit {text!r} has an offset, so no factor converts it",
                mend="give temperatures in K, differences in delta_degC or K",
            )
    return float(_registry().convert(1.0, source, target))


@functools.lru_cache(maxsize=4096)
def dimensionality(text: str) -> tuple[float, ...]:
    """Return the exponents of kg, m, s, A, K, mol and cd in a unit, seven floats.

    Raises InputError if the text is no unit or has a dimension outside these seven.
    """
    exponents: dict[str, Any] = dict(_parse(text).dimensionality)
    result = tuple(float(exponents.pop(name, 0)) for name in _BASE_DIMENSIONS)
    if exponents:
        raise InputError(
            f"unit {text!r} has the dimension {', '.join(sorted(exponents))}",
            mend="expected only kg, m, s, A, K, mol and cd",
        )
    return result


@functools.cache
def _registry() -> pint.UnitRegistry[Any]:
    # Not at the top: see the module's docstring.
    import pint

    return pint.UnitRegistry(cache_folder=None)


def _parse(text: str) -> pint.Unit:
    """Return pint's unit for ``text``, or raise InputError in one line."""
    if not isinstance(text, str):
        raise TypeError(f"unit: got {type(text).__name__}, expected str")
    _check_characters(text)
    registry = _registry()
    if text.strip() == "1":
        return registry.Unit("")
    try:
        return registry.Unit(text)
    except Exception as error:  # noqa: BLE001  pint raises many kinds for bad text
        raise _unit_error(text, error) from None


def _check_characters(text: str) -> None:
    """Refuse what pint would misread, or compute for long, before it sees it."""
    if not text.strip():
        raise InputError(f"unit {text!r} is empty", mend="write '1' for dimensionless")
    if len(text) > _MAX_LENGTH:
        raise InputError(f"unit of {len(text)} characters", mend=f"expected at most {_MAX_LENGTH}")
    if _ALLOWED.fullmatch(text) is None or _TOWER.search(text) is not None:
        raise InputError(f"unit {text!r} cannot be read", mend="expected a form such as 'm^2/s'")
    if _POINT_AS_PRODUCT.search(text) is not None:
        raise InputError(f"unit {text!r} has a point between units", mend="write '*' for a product")


def _unit_error(text: str, error: Exception) -> InputError:
    import pint

    if isinstance(error, pint.UndefinedUnitError):
        unknown = error.unit_names[0]
        near = near_names(unknown, _registry(), limit=3)
        mend = "did you mean " + " or ".join(repr(name) for name in near) + "?" if near else None
        return InputError(f"unit {text!r}: unknown name {unknown!r}", mend=mend)
    if isinstance(error, ValueError) and "scaling factor" in str(error):
        return InputError(f"unit {text!r} has a number in it", mend="put the number in the value")
    return InputError(f"unit {text!r} cannot be read", mend="expected a form such as 'm^2/s'")


def _canonical(unit: pint.Unit) -> str:
    if not unit._units:
        return "1"
    text = f"{unit:~C}"
    for symbol, replacement in _ASCII_SYMBOLS + _ASCII_NAMES:
        text = text.replace(symbol, replacement)
    # Some symbols are no ASCII, or not read back as the same unit: then the full names.
    if not text.isascii() or not _reads_back(text, unit):
        text = f"{unit:C}"
    return text.replace("**", "^")


def _reads_back(text: str, unit: pint.Unit) -> bool:
    try:
        return bool(_parse(text)._units == unit._units)
    except InputError:
        return False


def _is_multiplicative(unit: pint.Unit) -> bool:
    return bool(_registry().Quantity(1.0, unit)._is_multiplicative)


def _dimension_text(unit: pint.Unit) -> str:
    return "1" if unit.dimensionless else f"{unit.dimensionality:C}".replace("**", "^")
