"""What the attributes of each kind of operation have to be.

JAX looks at most of them too, while it finds shapes; but it takes axes from behind, numbers as
truths and more, which no other back end has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from jax import lax

from gradion.foundation.dimension import Dimension
from gradion.foundation.errors import InputError
from gradion.graph.definition.json_entry import is_label
from gradion.graph.definition.tensor_file import DTYPES
from gradion.graph.graph import Operation

__all__ = ["ATTRIBUTE_RULES", "check_attributes"]


@final
@dataclass(frozen=True)
class _Rule:
    """What an attribute of an operation is, in words and as a test."""

    expected: str
    holds: Callable[[Any, Operation], bool]


def check_attributes(operation: Operation) -> None:
    """Raise InputError, naming the attribute, if an operation has not those of its kind."""
    rules = ATTRIBUTE_RULES.get(operation.kind, {})
    for name in operation.attributes:
        if name not in rules:
            raise InputError(f"a {operation.kind} has no attribute {name[:100]!r}")
    for name, rule in rules.items():
        if name not in operation.attributes:
            raise InputError(f"the attribute {name!r} is missing")
        value = operation.attributes[name]
        if not rule.holds(value, operation):
            raise InputError(
                f"the attribute {name!r}: expected {rule.expected}, got {repr(value)[:100]}"
            )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any, known: Container[str]) -> bool:
    return isinstance(value, str) and value in known


def _is_size(value: Any) -> bool:
    return isinstance(value, Dimension) or (_is_int(value) and value >= 0)


def _is_tuple(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, tuple | list) and all(map(holds, value))


def _rank(operation: Operation, index: int = 0) -> int:
    return len(operation.inputs[index].shape)


def _is_axes(value: Any, rank: int) -> bool:
    return (
        _is_tuple(value, _is_int)
        and all(0 <= axis < rank for axis in value)
        and len(set(value)) == len(value)
    )


def _is_pad(value: Any) -> bool:
    """Low, high and interior padding of one axis."""
    if not isinstance(value, tuple | list) or len(value) != 3:
        return False
    return all(_is_int(n) or isinstance(n, Dimension) for n in value) and _is_size(value[2])


def _is_dot(value: Any, operation: Operation) -> bool:
    """Contracted and batched axes, each of both factors."""
    if not _is_tuple(value, lambda pair: isinstance(pair, tuple | list) and len(pair) == 2):
        return False
    return len(value) == 2 and all(
        _is_axes((*value[0][side], *value[1][side]), _rank(operation, side))
        if _is_tuple(value[0][side], _is_int) and _is_tuple(value[1][side], _is_int)
        else False
        for side in (0, 1)
    )


def _is_numbers_of(fields: tuple[str, ...]) -> Callable[[Any, Operation], bool]:
    def holds(value: Any, operation: Operation) -> bool:
        # At most the ranks of all arrays: JAX compares each with the others.
        rank = max(len(t.shape) for t in (*operation.inputs, *operation.outputs))
        return (
            isinstance(value, Mapping)
            and set(value) == set(fields)
            and all(_is_axes(axes, rank + 1) for axes in value.values())
        )

    return holds


def _is_fill(value: Any, operation: Operation) -> bool:
    """None, or a value of the array's dtype."""
    dtype = DTYPES[operation.inputs[0].dtype]
    if value is None:
        return True
    if dtype == np.bool_ or isinstance(value, bool):
        return dtype == np.bool_ and isinstance(value, bool)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return _is_int(value) and int(info.min) <= value <= int(info.max)
    return isinstance(value, float) or _is_int(value)


def _is_native_attributes(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(item, bool | int | float | str) for item in value.values()
    )


_AXIS: Final = _Rule("an axis of the input", lambda v, o: _is_axes((v,), _rank(o)))
_AXES: Final = _Rule("different axes of the input", lambda v, o: _is_axes(v, _rank(o)))
_NEW_AXIS: Final = _Rule("an axis of the output", lambda v, o: _is_axes((v,), _rank(o) + 1))
_FLAG: Final = _Rule("true or false", lambda v, _: isinstance(v, bool))
_COUNT: Final = _Rule("a number of arrays", lambda v, _: _is_int(v) and 0 <= v < 2**31)
_SIZE: Final = _Rule("a size", lambda v, _: _is_size(v))
_SIZES: Final = _Rule("sizes", lambda v, _: _is_tuple(v, _is_size))
_SIZES_OF_AXES: Final = _Rule(
    "a size for each axis of the input",
    lambda v, o: _is_tuple(v, _is_size) and len(v) == _rank(o),
)
_DTYPE: Final = _Rule("the name of a dtype", lambda v, _: _is_text(v, DTYPES))
_LABEL: Final = _Rule("a name", lambda v, _: isinstance(v, str) and is_label(v))
_TEXT: Final = _Rule("a text", lambda v, _: isinstance(v, str))
_MODE: Final = _Rule(
    "the name of a mode", lambda v, _: _is_text(v, lax.GatherScatterMode.__members__)
)
# What an index takes that is out of range is said by the mode alone.
_GATHER_FIELDS: Final = tuple(lax.GatherDimensionNumbers._fields)
_SCATTER_FIELDS: Final = tuple(lax.ScatterDimensionNumbers._fields)
_SCATTER: Final = {
    "dimension_numbers": _Rule("the axes of a scatter", _is_numbers_of(_SCATTER_FIELDS)),
    "mode": _MODE,
}

ATTRIBUTE_RULES: Final[dict[str, dict[str, _Rule]]] = {
    "round": {
        "rounding_method": _Rule(
            "the name of a method", lambda v, _: _is_text(v, lax.RoundingMethod.__members__)
        )
    },
    "integer_pow": {
        "y": _Rule("an integer of 32 bits", lambda v, _: _is_int(v) and -(2**31) <= v < 2**31)
    },
    "bitcast_convert_type": {"new_dtype": _DTYPE},
    "convert_element_type": {"new_dtype": _DTYPE},
    "broadcast_in_dim": {
        "shape": _SIZES,
        "broadcast_dimensions": _Rule(
            "an axis of the output for each of the input",
            lambda v, o: _is_axes(v, len(o.outputs[0].shape)) and len(v) == _rank(o),
        ),
    },
    "reshape": {"new_sizes": _SIZES},
    "squeeze": {"dimensions": _AXES},
    "slice": {
        "start_indices": _SIZES_OF_AXES,
        "limit_indices": _SIZES_OF_AXES,
        "strides": _SIZES_OF_AXES,
    },
    "transpose": {"permutation": _AXES},
    "rev": {"dimensions": _AXES},
    "concatenate": {"dimension": _AXIS},
    "stack": {"axis": _NEW_AXIS},
    "unstack": {"axis": _AXIS},
    "tile": {"reps": _SIZES_OF_AXES},
    "pad": {
        "padding_config": _Rule(
            "three integers for each axis",
            lambda v, o: _is_tuple(v, _is_pad) and len(v) == _rank(o),
        )
    },
    "iota": {
        "dtype": _DTYPE,
        "shape": _SIZES,
        "dimension": _Rule(
            "an axis of the output", lambda v, o: _is_axes((v,), len(o.outputs[0].shape))
        ),
    },
    "size": {"dim": _SIZE},
    "split": {"sizes": _SIZES, "axis": _AXIS},
    **{f"reduce_{name}": {"axes": _AXES} for name in ("sum", "prod", "max", "min", "and", "or")},
    **{
        name: {
            "axes": _Rule("one axis", lambda v, o: _is_axes(v, _rank(o)) and len(v) == 1),
            "index_dtype": _DTYPE,
        }
        for name in ("argmax", "argmin")
    },
    **{
        name: {"axis": _AXIS, "reverse": _FLAG}
        for name in ("cumsum", "cumprod", "cummax", "cummin")
    },
    "dot_general": {
        "dimension_numbers": _Rule("contracted and batched axes of both factors", _is_dot),
        "preferred_element_type": _Rule(
            "the name of a dtype, or none",
            lambda v, _: v is None or _is_text(v, DTYPES),
        ),
    },
    "gather": {
        "dimension_numbers": _Rule("the axes of a gather", _is_numbers_of(_GATHER_FIELDS)),
        "slice_sizes": _SIZES_OF_AXES,
        "mode": _MODE,
        "fill_value": _Rule("a value of the array's dtype, or none", _is_fill),
    },
    "scatter": _SCATTER,
    "scatter_add": _SCATTER,
    "dynamic_slice": {"slice_sizes": _SIZES_OF_AXES},
    "searchsorted": {"right": _FLAG},
    "while": {"n_cond_constants": _COUNT, "n_body_constants": _COUNT},
    "scan": {"n_constants": _COUNT, "n_carries": _COUNT, "length": _SIZE, "reverse": _FLAG},
    "custom_jvp": {"function": _LABEL},
    "custom_vjp": {"function": _LABEL},
    "native_call": {
        "operator": _LABEL,
        "call": _LABEL,
        "attributes": _Rule("numbers and texts by name", lambda v, _: _is_native_attributes(v)),
        "dtypes": _Rule(
            "names of dtypes",
            lambda v, _: _is_tuple(v, lambda n: _is_text(n, DTYPES)),
        ),
        "batch": _Rule("a size, or none", lambda v, _: v is None or _is_size(v)),
        "directions": _Rule("a size, or none", lambda v, _: v is None or _is_size(v)),
    },
    "variable": {"dtype": _DTYPE, "shape": _SIZES, "trainable": _FLAG},
    "read_variable": {"variable": _LABEL},
    "assign_variable": {"variable": _LABEL, "initial": _FLAG},
    "check": {"message": _TEXT},
}
