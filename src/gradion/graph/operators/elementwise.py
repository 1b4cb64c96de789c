"""Operations that work on each element by itself.

An argument of rank 0, and one along axes where it has size 1, is repeated for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from gradion.graph.graph import Operation
from gradion.graph.operators.kind import OperationKind, chosen

__all__ = ["ELEMENTWISE"]


def _plain(name: str, function: Callable[..., jax.Array], *others: str) -> OperationKind:
    def evaluate(_operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
        return [function(*inputs)]

    return OperationKind(name, (name, *others), evaluate)


def _no_out_dtype(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("out_dtype") is not None:
        raise ValueError("a product in another dtype than its factors'")
    return {}


def _mul(_operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    a, b = inputs
    return [lax.mul(a, b)]


def _round(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    method = lax.RoundingMethod[operation.attributes["rounding_method"]]
    return [lax.round(inputs[0], method)]


def _integer_pow(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.integer_pow(inputs[0], operation.attributes["y"])]


def _convert(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    # jax 0.12 converts an array of numpy as numpy does: NaN to the least integer, not to 0.
    x = jnp.asarray(inputs[0])
    return [lax.convert_element_type(x, jnp.dtype(operation.attributes["new_dtype"]))]


def _bitcast(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.bitcast_convert_type(inputs[0], jnp.dtype(operation.attributes["new_dtype"]))]


_UNARY: Final = (
    _plain("neg", lax.neg),
    _plain("sign", lax.sign),
    _plain("floor", lax.floor),
    _plain("ceil", lax.ceil),
    _plain("is_finite", lax.is_finite),
    _plain("abs", lax.abs),
    _plain("exp", lax.exp),
    _plain("exp2", lax.exp2),
    _plain("expm1", lax.expm1),
    _plain("log", lax.log),
    _plain("log2", jnp.log2),
    _plain("log1p", lax.log1p),
    _plain("logistic", lax.logistic),
    _plain("tanh", lax.tanh),
    _plain("sinh", lax.sinh),
    _plain("cosh", lax.cosh),
    _plain("asinh", lax.asinh),
    _plain("acosh", lax.acosh),
    _plain("atanh", lax.atanh),
    _plain("sin", lax.sin),
    _plain("cos", lax.cos),
    _plain("tan", lax.tan),
    _plain("asin", lax.asin),
    _plain("acos", lax.acos),
    _plain("atan", lax.atan),
    _plain("sqrt", lax.sqrt),
    _plain("rsqrt", lax.rsqrt),
    _plain("cbrt", lax.cbrt),
    _plain("square", lax.square),
    # jax 0.12 writes the derivatives of tanh and asin by it; its factors keep the digits near 1.
    _plain("one_minus_square", lambda x: lax.mul(1 + x, 1 - x)),
    _plain("erf", lax.erf),
    _plain("erfc", lax.erfc),
    _plain("not", lax.bitwise_not),
)
_BINARY: Final = (
    # Where a cotangent has two sources, their sum is add_any: the same sum.
    _plain("add", lax.add, "add_any"),
    _plain("sub", lax.sub),
    OperationKind("mul", ("mul",), _mul, _no_out_dtype),
    _plain("div", lax.div),
    _plain("rem", lax.rem),
    _plain("pow", lax.pow),
    _plain("max", lax.max),
    _plain("min", lax.min),
    _plain("atan2", lax.atan2),
    _plain("eq", lax.eq),
    _plain("ne", lax.ne),
    _plain("lt", lax.lt),
    _plain("le", lax.le),
    _plain("gt", lax.gt),
    _plain("ge", lax.ge),
    _plain("and", lax.bitwise_and),
    _plain("or", lax.bitwise_or),
    _plain("xor", lax.bitwise_xor),
    _plain("shift_left", lax.shift_left),
    _plain("shift_right_logical", lax.shift_right_logical),
    _plain("shift_right_arithmetic", lax.shift_right_arithmetic),
)
_OTHER: Final = (
    _plain("select_n", lax.select_n),
    _plain("clamp", lax.clamp),
    OperationKind("round", ("round",), _round, chosen("rounding_method")),
    OperationKind("integer_pow", ("integer_pow",), _integer_pow, chosen("y")),
    OperationKind("bitcast_convert_type", ("bitcast_convert_type",), _bitcast, chosen("new_dtype")),
    OperationKind("convert_element_type", ("convert_element_type",), _convert, chosen("new_dtype")),
)

ELEMENTWISE: Final[tuple[OperationKind, ...]] = (*_UNARY, *_BINARY, *_OTHER)
