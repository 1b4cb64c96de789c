"""What a call of an operator with native code has to be, by the operator's declaration."""

from __future__ import annotations

from gradion.extension import find_operator
from gradion.extension.arguments import bind_attributes
from gradion.extension.array import Array, OneOf
from gradion.extension.declaration import Declaration, Kind
from gradion.foundation.errors import InputError
from gradion.graph.graph import Operation

__all__ = ["check_native_call"]


def check_native_call(operation: Operation) -> None:
    """Raise InputError unless the operator is there and takes these arrays and attributes.

    What the shapes have to be is seen when the call is evaluated.
    """
    given = operation.attributes
    declared = find_operator(given["operator"]).declaration
    kinds = {kind.value: kind for kind in Kind}
    if given["call"] not in kinds:
        raise InputError(f"{given['call'][:100]!r} is no call of an operator")
    try:
        bind_attributes(declared, given["attributes"])
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
    arrays = _arguments(declared, kinds[given["call"]])
    if len(operation.inputs) != len(arrays):
        raise InputError(
            f"has {len(operation.inputs)} inputs, the call {given['call']!r} of the operator "
            f"{declared.name!r} {len(arrays)}"
        )
    if len(given["dtypes"]) != len(declared.variables):
        raise InputError(f"names {len(given['dtypes'])} dtypes, expected {len(declared.variables)}")
    chosen = dict(zip(declared.variables, given["dtypes"], strict=True))
    for array, tensor in zip(arrays, operation.inputs, strict=True):
        dtype = array.dtype
        expected = chosen[dtype] if isinstance(dtype, OneOf) else dtype.name
        allowed = {d.name for d in (dtype.dtypes if isinstance(dtype, OneOf) else (dtype,))}
        if tensor.dtype != expected or expected not in allowed:
            raise InputError(f"{tensor!r}: the operator {declared.name!r} takes {array}")


def _arguments(declared: Declaration, kind: Kind) -> tuple[Array, ...]:
    """What a call takes: the inputs; for a derivative, residuals and directions behind them."""
    x, y = declared.smooth_inputs, declared.smooth_outputs
    point = (*declared.inputs, *declared.residuals)
    match kind:
        case Kind.PUSH:
            return (*point, *x)
        case Kind.PULL:
            return (*point, *y)
        case Kind.SECOND_PUSH:
            return (*point, *x, *x)
        case Kind.SECOND_PULL:
            return (*point, *x, *y)
    return declared.inputs
