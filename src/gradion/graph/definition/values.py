"""Attributes and types as JSON, and back: exact to the last bit, tuples for sequences."""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Mapping
from typing import Any, Final, cast

from gradion.foundation.dimension import Dimension, Size
from gradion.foundation.errors import InputError
from gradion.graph.definition.json_entry import JsonEntry
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.tensor_file import DTYPES
from gradion.graph.graph import TensorType

__all__ = ["read_type", "read_value", "write_type", "write_value"]

# An object with this one key is no dict: JSON has no infinities, and sizes are no text.
_FLOAT: Final = "$float"
_DIMENSION: Final = "$dimension"
_DEPTH: Final = 16
_LONGEST_SIZE: Final = 200  # characters
_LONGEST_TEXT: Final = 10_000
_MOST_AXES: Final = 32
# Of an unknown size where all its unknowns are 2: bounds the terms of its expression too.
_LARGEST_SIZE: Final = 2**40


def write_value(value: Any) -> Any:
    """An attribute as JSON. Raises TypeError for what an attribute cannot be."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        # The shortest decimals give the same number again, -0.0 too.
        return value if math.isfinite(value) else {_FLOAT: struct.pack(">d", value).hex()}
    if isinstance(value, Dimension):
        return {_DIMENSION: value.text}
    if isinstance(value, tuple | list):
        return list(map(write_value, value))
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key.startswith("$"):
                raise TypeError(f"the key {key!r}: expected text without $ in front")
        return {key: write_value(value[key]) for key in sorted(value)}
    raise TypeError(f"a {type(value).__name__}: expected numbers, text, None, and tuples and dicts")


def read_value(entry: JsonEntry, *, depth: int = 0) -> Any:
    """An attribute of `write_value`; raises InputError."""
    value = entry.value
    if depth > _DEPTH:
        raise entry.error("is nested too deep")
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise entry.error(f"is a text of more than {_LONGEST_TEXT} characters")
        return entry.text()
    if isinstance(value, int) and not isinstance(value, bool):
        return entry.integer()
    if isinstance(value, list):
        return tuple(read_value(item, depth=depth + 1) for item in entry.items())
    if isinstance(value, dict):
        if _FLOAT in value:
            return _float(entry.fields((_FLOAT,))[_FLOAT])
        if _DIMENSION in value:
            return _dimension(entry.fields((_DIMENSION,))[_DIMENSION])
        return {key: read_value(item, depth=depth + 1) for key, item in entry.pairs().items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise entry.error("is no number that a float holds")  # such as 1e999
    return value


def write_type(tensor_type: TensorType) -> Any:
    """A type as JSON: the dtype and the sizes, unknown ones as text."""
    return [
        tensor_type.dtype,
        [s.text if isinstance(s, Dimension) else s for s in tensor_type.shape],
    ]


def read_type(entry: JsonEntry, limits: Limits) -> TensorType:
    """A type of `write_type`; raises InputError, also for one that is larger than the limit."""
    parts = list(entry.items())
    if len(parts) != 2:
        raise entry.error("expected a dtype and a shape")
    dtype = parts[0].text()
    if dtype not in DTYPES:
        raise parts[0].error(f"expected one of {', '.join(DTYPES)}, got {dtype[:100]!r}")
    sizes = list(parts[1].items())
    if len(sizes) > _MOST_AXES:
        raise parts[1].error(f"has {len(sizes)} axes, at most {_MOST_AXES}")
    shape: list[Size] = []
    for size in sizes:
        is_text = isinstance(size.value, str)
        shape.append(_dimension(size) if is_text else size.integer(0, limits.tensor_bytes))
    # An axis of none does not make the others small: strides are computed of them.
    size_bytes = DTYPES[dtype].itemsize
    for size_known in shape:
        size_bytes *= max(size_known, 1) if isinstance(size_known, int) else 1
    if size_bytes > limits.tensor_bytes:
        raise entry.error(
            f"{dtype} of shape {tuple(map(str, shape))} has more than {limits.tensor_bytes} bytes",
            mend="give Limits(tensor_bytes=...) if you trust the file",
        )
    return TensorType(dtype, tuple(shape))


def _float(entry: JsonEntry) -> float:
    text = entry.text()
    if len(text) == 16:
        try:
            return cast(float, struct.unpack(">d", bytes.fromhex(text))[0])
        except (ValueError, struct.error):
            pass  # no hexadecimal digits: said below
    raise entry.error("expected the 16 hexadecimal digits of a float")


def _dimension(entry: JsonEntry) -> Dimension:
    """A size in the form of JAX: a sum of products, so that it cannot unfold into a long one."""
    text = entry.text()
    size = Dimension(text)
    try:
        if len(text) > _LONGEST_SIZE:
            raise InputError(f"a size of {len(text)} characters, at most {_LONGEST_SIZE}")
        if not size.names or not all(map(str.isascii, size.names)):
            raise InputError(f"the size {text!r} has no unknown")
        _require_sum_of_products(text)
        if abs(size.at(dict.fromkeys(size.names, 2))) > _LARGEST_SIZE:
            raise InputError(f"the size {text!r} grows too fast")
    except InputError as error:
        raise entry.error(error.what) from None
    return size


def _require_sum_of_products(text: str) -> None:
    for node in ast.walk(ast.parse(text.replace("^", "**"), mode="eval")):
        if not isinstance(node, ast.BinOp):
            continue
        if isinstance(node.op, ast.Pow) and not isinstance(node.left, ast.Name):
            raise InputError(f"the size {text!r} has a power of more than a name")
        for factor in (node.left, node.right) if isinstance(node.op, ast.Mult) else ():
            if isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Add | ast.Sub):
                raise InputError(f"the size {text!r} is a product of sums")
