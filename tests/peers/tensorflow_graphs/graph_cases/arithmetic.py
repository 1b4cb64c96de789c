"""Numbers: rounding, whole numbers, what is not finite, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import lax

from gradion.graph import array
from gradion.graph.build import apply, constant
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case, expression

_NAN, _INF = float("nan"), float("inf")
_SIGNS = np.array([7, -7, 7, -7], np.int32), np.array([3, 3, -3, -3], np.int32)
_FLOATS = np.array([7.5, -7.5, 7.5, -7.5]), np.array([2.0, 2.0, -2.0, -2.0])
_EDGES = np.array([_NAN, _INF, -_INF, 0.0, -0.0, -1.5, 2.5])


def _row(words: str, theirs: Any, ours: Any, *feeds: Any, **more: Any) -> None:
    expression("arithmetic", words, theirs, ours, *feeds, **more)


_row("whole quotients", lambda _, x, y: x // y, lambda x, y: x // y, *_SIGNS)
_row("whole remainders", lambda _, x, y: x % y, lambda x, y: x % y, *_SIGNS)
_row(
    "whole true quotients",
    lambda _, x, y: x / y,
    lambda x, y: x / y,
    *_SIGNS,
    differs="quotients of 32-bit whole numbers have 32 bits, as in JAX; TensorFlow's have 64",
    outcome={"float32[4]": [7.0 / 3.0, -7.0 / 3.0, -7.0 / 3.0, 7.0 / 3.0]},
)
_row(
    "whole true quotients of 64 bits",
    lambda _, x, y: x / y,
    lambda x, y: x / y,
    _SIGNS[0].astype(np.int64),
    _SIGNS[1].astype(np.int64),
)
_row(
    "whole truncated quotients",
    lambda tf, x, y: tf.truncatediv(x, y),
    lambda x, y: apply(lax.div, x, y),
    *_SIGNS,
)
_row(
    "whole truncated remainders",
    lambda tf, x, y: tf.truncatemod(x, y),
    lambda x, y: apply(lax.rem, x, y),
    *_SIGNS,
)
_row("quotients of floats", lambda _, x, y: [x // y, x % y], lambda x, y: [x // y, x % y], *_FLOATS)
_row(
    "remainders of negative zero",
    lambda _, x, y: x % y,
    lambda x, y: x % y,
    [0.0, -0.0, 4.0, -4.0],
    [2.0, 2.0, -2.0, 2.0],
)
_row(
    "a whole number over zero",
    lambda _, x, y: x // y,
    lambda x, y: x // y,
    np.int32(1),
    np.int32(0),
    differs="no element can end a compiled program, and XLA gives a number; checks are for that",
    outcome={"int32[]": -2},
)
_row(
    "floats over zero", lambda _, x, y: x / y, lambda x, y: x / y, [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]
)
_row(
    "overflow",
    lambda _, x, y: [x + y, x * y, x - y - y],
    lambda x, y: [x + y, x * y, x - y - y],
    np.array([2**31 - 1, -(2**31)], np.int32),
    np.array([1, -1], np.int32),
)
_row(
    "overflow of 64 bits",
    lambda _, x: [x + x, -x, x * x],
    lambda x: [x + x, -x, x * x],
    np.array([2**63 - 1, -(2**63)], np.int64),
)
_row(
    "overflow of 8 bits",
    lambda _, x, y: [x + y, x - y, x * y],
    lambda x, y: [x + y, x - y, x * y],
    np.array([250, 3], np.uint8),
    np.array([10, 5], np.uint8),
)
_row(
    "the absolute value of the least",
    lambda tf, x: tf.abs(x),
    np.abs,
    np.array([-(2**31), -5], np.int32),
)
_row(
    "bits",
    lambda tf, x, y: [
        tf.bitwise.bitwise_and(x, y),
        tf.bitwise.bitwise_or(x, y),
        tf.bitwise.bitwise_xor(x, y),
        tf.bitwise.invert(x),
    ],
    lambda x, y: [x & y, x | y, x ^ y, ~x],
    *_SIGNS,
)
_row(
    "truth values",
    lambda _, x, y: [x & y, x | y, x ^ y, ~x],
    lambda x, y: [x & y, x | y, x ^ y, ~x],
    [True, True, False, False],
    [True, False, True, False],
)
_row(
    "powers of whole numbers",
    lambda _, x, y: x**y,
    lambda x, y: x**y,
    np.array([2, -3, 0, 7], np.int32),
    np.array([10, 3, 0, 1], np.int32),
)
_row(
    "powers of floats",
    lambda _, x, y: x**y,
    lambda x, y: x**y,
    [0.0, 0.0, -8.0, -2.0, 4.0, _INF, _NAN],
    [0.0, -1.0, 1.0 / 3.0, 3.0, -0.5, 0.0, 0.0],
)
_row(
    "roots and logarithms of edges",
    lambda tf, x: [tf.sqrt(x), tf.log(x), tf.log1p(x), tf.exp(x), tf.expm1(x)],
    lambda x: [np.sqrt(x), np.log(x), np.log1p(x), np.exp(x), np.expm1(x)],
    _EDGES,
)
_row(
    "rounding",
    lambda tf, x: [tf.round(x), tf.floor(x), tf.ceil(x), tf.math.rint(x)],
    lambda x: [np.round(x), np.floor(x), np.ceil(x), np.rint(x)],
    [0.5, 1.5, 2.5, -0.5, -1.5, -0.0, 0.49999999999999994],
)
_row(
    "signs",
    lambda tf, x: tf.sign(x),
    np.sign,
    _EDGES,
    differs="the sign of -0.0 is -0.0, as in JAX",
    outcome={"float64[7]": [_NAN, 1.0, -1.0, 0.0, -0.0, -1.0, 1.0]},
)
_row("signs of whole numbers", lambda tf, x: tf.sign(x), np.sign, np.array([-5, 0, 5], np.int32))
_row(
    "the larger and the smaller with NaN",
    lambda tf, x, y: [tf.maximum(x, y), tf.minimum(x, y)],
    lambda x, y: [np.maximum(x, y), np.minimum(x, y)],
    [_NAN, 1.0, _NAN, _INF],
    [1.0, _NAN, _NAN, -_INF],
)
_row(
    "the largest and the smallest with NaN",
    lambda tf, x: [tf.reduce_max(x), tf.reduce_min(x)],
    lambda x: [np.max(x), np.min(x)],
    [1.0, _NAN, 2.0],
)
_row(
    "clipping with NaN",
    lambda tf, x: tf.clip_by_value(x, -1.0, 1.0),
    lambda x: np.clip(x, -1.0, 1.0),
    _EDGES,
)
_row(
    "comparisons with NaN",
    lambda tf, x, y: [x < y, x <= y, x > y, x >= y, tf.equal(x, y), tf.not_equal(x, y)],
    lambda x, y: [x < y, x <= y, x > y, x >= y, np.equal(x, y), np.not_equal(x, y)],
    [_NAN, 1.0, 0.0, _INF],
    [_NAN, _NAN, -0.0, _INF],
)
_row(
    "what is finite",
    lambda tf, x: [tf.math.is_finite(x), tf.math.is_inf(x), tf.math.is_nan(x)],
    lambda x: [np.isfinite(x), np.isinf(x), np.isnan(x)],
    _EDGES,
)
_row(
    "a choice beside NaN",
    lambda tf, x: tf.where(tf.math.is_nan(x), tf.zeros_like(x), x),
    lambda x: np.where(np.isnan(x), np.zeros_like(x), x),
    _EDGES,
)
_row(
    "NaN in sums and products",
    lambda tf, x: [tf.reduce_sum(x), tf.reduce_prod(x), tf.reduce_sum(x[1:3]), x[1] * 0.0],
    lambda x: [np.sum(x), np.prod(x), np.sum(x[1:3]), x[1] * 0.0],
    _EDGES,
)
_row(
    "conversions",
    lambda tf, x: [tf.cast(x, t) for t in (tf.int32, tf.int64, tf.float32, tf.bool)],
    lambda x: [array.astype(x, t) for t in ("int32", "int64", "float32", "bool")],
    [1.9, -1.9, 0.5, -0.0, 1e9],
)
_row(
    "conversions of truth values",
    lambda tf, x: [tf.cast(x, tf.float64), tf.cast(x, tf.int32)],
    lambda x: [array.astype(x, "float64"), array.astype(x, "int32")],
    [True, False],
)
_row(
    "conversions to fewer bits",
    lambda tf, x: [tf.cast(x, tf.int8), tf.cast(x, tf.uint8)],
    lambda x: [array.astype(x, "int8"), array.astype(x, "uint8")],
    np.array([300, -200, 127], np.int32),
)
_row(
    "hyperbolic functions far out",
    lambda tf, x: [tf.tanh(x), tf.sinh(x), tf.cosh(x)],
    lambda x: [np.tanh(x), np.sinh(x), np.cosh(x)],
    [-1000.0, -1.0, 0.0, 2.0, 1000.0],
)
_row(
    "inverse functions outside of their range",
    lambda tf, x: [tf.asin(x), tf.acos(x), tf.atanh(x), tf.acosh(x)],
    lambda x: [np.arcsin(x), np.arccos(x), np.arctanh(x), np.arccosh(x)],
    [-2.0, -1.0, 0.0, 1.0, 2.0],
)
_row(
    "the four quadrants",
    lambda tf, y, x: tf.atan2(y, x),
    np.arctan2,
    [0.0, -0.0, 1.0, -1.0, 0.0],
    [-1.0, -1.0, 0.0, 0.0, 0.0],
)
_row(
    "sigmoid and softplus far out",
    lambda tf, x: [tf.sigmoid(x), tf.nn.softplus(x)],
    lambda x: [array.sigmoid(x), array.softplus(x)],
    [-800.0, -1.0, 0.0, 1.0, 800.0],
)
_row(
    "the logarithm of a sum far out",
    lambda tf, x: [tf.reduce_logsumexp(x), tf.nn.softmax(x)],
    lambda x: [array.logsumexp(x), array.softmax(x)],
    [1000.0, 1000.0, -1000.0],
)
_row(
    "the logarithm of a sum of nothing finite",
    lambda tf, x: tf.reduce_logsumexp(x),
    array.logsumexp,
    [-_INF, -_INF],
)
_row(
    "single precision",
    lambda tf, x: [x * x + 1.0, tf.exp(x), tf.reduce_sum(x)],
    lambda x: [x * x + 1.0, np.exp(x), np.sum(x)],
    np.array([0.1, -2.5, 3.25], np.float32),
)
_row(
    "numbers of Python keep the dtype of an array",
    lambda _, x, n: [x * 2.0, x + 1, 1 - n, n * 3],
    lambda x, n: [x * 2.0, x + 1, 1 - n, n * 3],
    np.array([1.5, 2.5], np.float32),
    np.array([1, 2], np.int32),
)
_row(
    "a float of Python beside whole numbers",
    lambda _, n: n * 0.5,
    lambda n: n * 0.5,
    np.array([1, 2], np.int32),
    differs="operands are promoted as in JAX; TensorFlow refuses what is not of one dtype",
    outcome={"float64[2]": [0.5, 1.0]},
)
_row(
    "two dtypes",
    lambda _, x, y: x + y,
    lambda x, y: x + y,
    np.float32(1.5),
    np.float64(2.0),
    differs="operands are promoted as in JAX; TensorFlow refuses what is not of one dtype",
    outcome={"float64[]": 3.5},
)
_row(
    "sums of truth values",
    lambda _, x, y: x + y,
    lambda x, y: x + y,
    True,
    True,
    differs="+ of truth values is or, as in NumPy; TensorFlow has no such operation",
    outcome={"bool[]": True},
)
_row(
    "means of whole numbers",
    lambda tf, x: tf.reduce_mean(x),
    np.mean,
    np.array([1, 2, 4], np.int32),
    differs="a mean is a float, as in JAX; TensorFlow's keeps the dtype and drops the rest",
    outcome={"float32[]": 7.0 / 3.0},
)
_row(
    "half precision",
    lambda tf, x: [x + x, x * x],
    lambda x: [x + x, x * x],
    np.array([0.1, 60000.0, -3.5], np.float16),
)


@case(
    differs="numbers of Python have 64 bits, as in NumPy; TensorFlow's have 32",
    ours=["float64", "int64", "bool", "float32"],
)
class DtypesOfConstants(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        given = (1.5, 1, True, np.float32(1.5))
        return [tf.constant(value).dtype.name for value in given]

    def gradion(self, session: Session) -> Any:
        return [constant(value).dtype for value in (1.5, 1, True, np.float32(1.5))]


@case
class ATensorHasNoTruthValue(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return bool(tf.constant(1.0) > 0.0)

    def gradion(self, session: Session) -> Any:
        return bool(constant(1.0) > 0.0)


@case
class ConstantsThatAreNotFinite(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        c = tf.constant([_NAN, _INF, -_INF, -0.0], tf.float64)
        return session.run([c, 1.0 / c, c + 0.0])

    def gradion(self, session: Session) -> Any:
        c = constant([_NAN, _INF, -_INF, -0.0], dtype="float64")
        return session.run([c, 1.0 / c, c + 0.0])


_row(
    "remainders of what is not finite",
    lambda _, x, y: x % y,
    lambda x, y: x % y,
    [5.0, -5.0, _INF, 5.0, 0.0],
    [_INF, _INF, 2.0, _NAN, -3.0],
)
_row(
    "whole quotients by infinity",
    lambda _, x, y: x // y,
    lambda x, y: x // y,
    [5.0, -5.0],
    [_INF, _INF],
    differs="a quotient is rounded down, as in Python: -5 // inf is -1; TensorFlow's is -0",
    outcome={"float64[2]": [0.0, -1.0]},
)
_row(
    "remainders beyond the sign",
    lambda _, x, y: [x // y, x % y],
    lambda x, y: [x // y, x % y],
    np.array([200, 7, 255], np.uint8),
    np.array([7, 200, 255], np.uint8),
)
_row(
    "clipping whole numbers",
    lambda tf, x: tf.clip_by_value(x, -2, 5),
    lambda x: np.clip(x, -2, 5),
    np.array([-9, -2, 0, 5, 9], np.int32),
)
_row(
    "the error function",
    lambda tf, x: [tf.math.erf(x), tf.math.erfc(x)],
    lambda x: [apply(lax.erf, x), apply(lax.erfc, x)],
    [-30.0, -1.0, 0.0, 0.5, 30.0],
)
_row(
    "reciprocals and squares of edges",
    lambda tf, x: [1.0 / x, tf.square(x), tf.math.rsqrt(tf.abs(x))],
    lambda x: [1.0 / x, np.square(x), apply(lax.rsqrt, np.abs(x))],
    _EDGES,
)
_row(
    "smooth activations",
    lambda tf, x: [tf.nn.swish(x), tf.math.log_sigmoid(x), tf.nn.softsign(x)],
    lambda x: [array.silu(x), array.log_sigmoid(x), array.soft_sign(x)],
    [-30.0, -1.0, 0.0, 2.0, 30.0],
)


_row(
    "the error function at infinity",
    lambda tf, x: tf.math.erf(x),
    lambda x: apply(lax.erf, x),
    [-_INF, _INF],
    differs="the limits are -1 and 1; TensorFlow's double precision gives NaN",
    outcome={"float64[2]": [-1.0, 1.0]},
)
