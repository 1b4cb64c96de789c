"""Dtypes in C++: their names, sizes and literals."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from gradion.graph.unsupported import UnsupportedOperationError

__all__ = ["cpp_type", "is_bool", "is_float", "is_signed", "itemsize", "literal"]

_TYPES: Final = {
    "bool": "bool",
    "float32": "float",
    "float64": "double",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
}


def cpp_type(dtype: str) -> str:
    """The C++ type of a dtype; raises UnsupportedOperationError for one that has none here."""
    if dtype not in _TYPES:
        what = f"expected one of {', '.join(_TYPES)}"
        raise UnsupportedOperationError.of(f"array of {dtype}", None, what=what)
    return _TYPES[dtype]


def itemsize(dtype: str) -> int:
    """Bytes of one element."""
    return np.dtype(dtype).itemsize


def is_bool(dtype: str) -> bool:
    """Whether the dtype is that of truth values."""
    return np.dtype(dtype).kind == "b"


def is_float(dtype: str) -> bool:
    """Whether the dtype is a floating one."""
    return np.dtype(dtype).kind == "f"


def is_signed(dtype: str) -> bool:
    """Whether the dtype is a signed integer."""
    return np.dtype(dtype).kind == "i"


def literal(value: Any, dtype: str) -> str:
    """A C++ literal of exactly this value.

    Floating numbers are written with the fewest decimal digits that round to them and to nothing
    else: as exact as hexadecimal ones for a compiler that rounds correctly, and legible.
    """
    if is_bool(dtype):
        return "true" if value else "false"
    if not is_float(dtype):
        return _integer_literal(int(value), dtype)
    single = itemsize(dtype) == 4
    if math.isnan(value):
        return "NAN" if single else "static_cast<double>(NAN)"
    if math.isinf(value):
        return "-INFINITY" if value < 0 else "INFINITY"
    # Digits of the dtype itself: 0.1f, not the double nearest to it.
    digits = str(np.dtype(dtype).type(value))
    if "." not in digits and "e" not in digits:
        digits += ".0"
    return digits + ("f" if single else "")


def _integer_literal(value: int, dtype: str) -> str:
    if value == np.iinfo(np.dtype(dtype)).min and value < 0:
        # The minus is an operator, and the number without it is too large.
        return f"({_integer_literal(value + 1, dtype)} - 1)"
    if itemsize(dtype) == 8 and not is_signed(dtype):
        return f"UINT64_C({value})"
    if itemsize(dtype) == 8:
        return f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))"
    return str(value) if is_signed(dtype) else f"{value}u"
