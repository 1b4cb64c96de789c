"""What the inputs and outputs of each kind have to be, where JAX would take more than that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax.numpy as jnp

from gradion.foundation.errors import InputError
from gradion.graph.definition.native_rules import check_native_call
from gradion.graph.definition.subgraph_rules import check_subgraphs
from gradion.graph.definition.tensor_file import DTYPES
from gradion.graph.graph import CUSTOM_KINDS, Operation, Tensor, TensorType
from gradion.graph.operators import ELEMENTWISE_KINDS

__all__ = ["check_operands", "check_results"]

_BINARY: Final = frozenset(
    {"add", "sub", "mul", "div", "rem", "pow", "max", "min", "atan2", "and", "or", "xor"}
    | {"eq", "ne", "lt", "le", "gt", "ge"}
    | {"shift_left", "shift_right_logical", "shift_right_arithmetic"}
)
_MANY: Final = 2**31
# Numbers of inputs, from and to.
_ARITIES: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(ELEMENTWISE_KINDS, (1, 1)),
    **dict.fromkeys(_BINARY, (2, 2)),
    "select_n": (2, _MANY),
    "clamp": (3, 3),
    "concatenate": (1, _MANY),
    "stack": (1, _MANY),
    "pad": (2, 2),
    "dot_general": (2, 2),
    "gather": (2, 2),
    "scatter": (3, 3),
    "scatter_add": (3, 3),
    "dynamic_slice": (1, _MANY),
    "dynamic_update_slice": (2, _MANY),
    "searchsorted": (2, 2),
    "cond": (1, _MANY),
    **dict.fromkeys((*CUSTOM_KINDS, "while", "scan", "native_call"), (0, _MANY)),
    **dict.fromkeys(("placeholder", "constant", "variable", "read_variable", "group"), (0, 0)),
    "iota": (0, 0),
    "size": (0, 0),
}
_ONE: Final = (1, 1)
# Numbers of outputs where it is not one.
_RESULTS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(("variable", "check", "group"), (0, 0)),
    **dict.fromkeys(("unstack", "split", "cond", "while", "scan"), (0, _MANY)),
    **dict.fromkeys((*CUSTOM_KINDS, "native_call"), (0, _MANY)),
}


def check_operands(operation: Operation) -> None:
    """Raise InputError unless inputs, outputs and subgraphs are as many as the kind has.

    Attributes may be looked at after it.
    """
    _check_count("inputs", len(operation.inputs), _ARITIES.get(operation.kind, _ONE))
    _check_count("outputs", len(operation.outputs), _RESULTS.get(operation.kind, _ONE))
    if (operation.value is not None) != (operation.kind == "constant"):
        raise InputError("a constant has a value, and nothing else has one")
    if operation.kind not in _SUBGRAPHS and operation.subgraphs:
        raise InputError(f"a {operation.kind} has no subgraphs")


def check_results(operation: Operation) -> None:
    """Raise InputError unless types fit; attributes have been looked at before."""
    if operation.kind in _SUBGRAPHS:
        check_subgraphs(operation)
    rule = _RULES.get(operation.kind)
    if rule is not None:
        rule(operation)


_SUBGRAPHS: Final = CUSTOM_KINDS | {"cond", "while", "scan"}


def _check_count(what: str, count: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= count <= high:
        expected = f"{low}" if low == high else f"at least {low}"
        raise InputError(f"has {count} {what}, expected {expected}")


def _require_equal(tensors: tuple[Tensor, ...], of: Callable[[Tensor], object]) -> None:
    for tensor in tensors[1:]:
        if of(tensor) != of(tensors[0]):
            raise InputError(f"the inputs {tensors[0]!r} and {tensor!r} do not fit")


def _require_kind(tensor: Tensor, abstract: Any) -> None:
    if not jnp.issubdtype(DTYPES[tensor.dtype], abstract):
        raise InputError(f"{tensor!r}: expected a dtype of the kind {abstract.__name__}")


def _floating(operation: Operation) -> None:
    # jnp's functions take integers as well, and change the dtype.
    _require_kind(operation.inputs[0], jnp.inexact)


def _same_types(operation: Operation) -> None:
    _require_equal(operation.inputs, lambda tensor: tensor.type)


def _same_dtypes(operation: Operation) -> None:
    _require_equal(operation.inputs, lambda tensor: tensor.dtype)


def _indices_from(first: int) -> Callable[[Operation], None]:
    def check(operation: Operation) -> None:
        for tensor in operation.inputs[first:]:
            _require_kind(tensor, jnp.integer)
        _require_equal(operation.inputs[first:], lambda tensor: tensor.dtype)

    return check


def _unstack(operation: Operation) -> None:
    # Before JAX makes as many arrays.
    count = operation.inputs[0].shape[operation.attributes["axis"]]
    if count != len(operation.outputs):
        raise InputError(f"has {len(operation.outputs)} outputs, the axis {count} elements")


def _split(operation: Operation) -> None:
    if len(operation.attributes["sizes"]) != len(operation.outputs):
        raise InputError("has another number of outputs than of sizes")


def _search(operation: Operation) -> None:
    table, values = operation.inputs
    if len(table.shape) != 1 or table.dtype != values.dtype:
        raise InputError(f"cannot search {table!r} for {values!r}")
    _require_kind(operation.outputs[0], jnp.integer)


def _size(operation: Operation) -> None:
    if operation.outputs[0].shape or operation.outputs[0].dtype not in ("int32", "int64"):
        raise InputError("a size is an integer without axes")


def _check(operation: Operation) -> None:
    if operation.inputs[0].type != TensorType("bool", ()):
        raise InputError(f"{operation.inputs[0]!r}: expected one truth value")


def _constant(operation: Operation) -> None:
    value = operation.value
    if value is None or TensorType(value.dtype.name, value.shape) != operation.outputs[0].type:
        raise InputError("the value has another dtype or shape than the output")


_RULES: Final[dict[str, Callable[[Operation], None]]] = {
    "log2": _floating,
    "one_minus_square": _floating,
    "stack": _same_types,
    "dot_general": _same_dtypes,
    "unstack": _unstack,
    "split": _split,
    "gather": _indices_from(1),
    "dynamic_slice": _indices_from(1),
    "dynamic_update_slice": _indices_from(2),
    "searchsorted": _search,
    "native_call": check_native_call,
    "size": _size,
    "check": _check,
    "constant": _constant,
}
