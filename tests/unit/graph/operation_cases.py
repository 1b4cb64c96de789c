"""A function for each kind of operation, with arguments that show where it might go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.graph import Graph, TensorType, capture

_X = np.array([[0.3, -1.7, 2.5], [1e-9, 40.0, -0.6]])
_UNIT = np.array([0.1, -0.9, 0.999999, 0.0, -0.3])
_POSITIVE = np.array([1e-12, 0.5, 1.0, 7.3, 1e9])
_ODD = np.array([np.nan, np.inf, -np.inf, -2.5, 2.5, 0.0, 1e300])
_I = np.array([7, -7, 0, 2**31 - 1, -(2**31), 3], np.int32)
_J = np.array([2, -2, 0, 1, -1, -5], np.int32)
_SHIFTS = np.array([1, 3, 31, 0, 33, -1], np.int32)
_B = np.array([True, True, False, False])
_C = np.array([True, False, True, False])
_F32 = np.array([0.25, -3.5, 1e8], np.float32)
_TABLE = np.array([0.0, 0.5, 0.5, 2.0, 3.0])
_ROWS = np.arange(12.0).reshape(4, 3)


# Kinds that JAX has no primitive for, or not in every version.
HAND_WRITTEN = ("log2", "one_minus_square", "identity")


@jax.custom_jvp
def _sloped(x):
    return jnp.abs(x) - x


_sloped.defjvp(lambda x, t: (_sloped(*x), 3.0 * x[0] * t[0]))


@jax.custom_vjp
def _weighed(x, y):
    return x * y, jnp.asarray(2)


_weighed.defvjp(lambda x, y: (_weighed(x, y), (x, y)), lambda xy, w: (5.0 * xy[1] * w[0], w[0]))


@dataclass(frozen=True)
class Case:
    """`function(*arrays)` uses the operation `kind`."""

    kind: str
    name: str
    function: Callable[..., object]
    arrays: tuple[np.ndarray, ...]

    def graph(self) -> Graph:
        """The function's graph; written by hand where not every version of JAX has the kind."""
        if self.kind not in HAND_WRITTEN:
            return capture(self.function, *self.arrays)
        graph = Graph()
        (x,) = self.arrays
        types = [TensorType(x.dtype.name, x.shape)]
        tensor = graph.placeholder(types[0], name="x")
        graph.outputs = graph.add(self.kind, [tensor], types).outputs
        return graph


def _unary(kind: str, function: Callable, *arrays: np.ndarray) -> list[Case]:
    return [Case(kind, f"{kind}_{i}", function, (x,)) for i, x in enumerate(arrays)]


def _one(kind: str, suffix: str, function: Callable, *arrays: np.ndarray) -> Case:
    return Case(
        kind, f"{kind}_{suffix}" if suffix else kind, function, tuple(map(np.asarray, arrays))
    )


def _loop(x):
    return lax.while_loop(
        lambda c: c[0] < 40.0 + 0.0 * x[0], lambda c: (c[0] * 2.0, c[1] + x), (x[1] * 0 + 1.0, x)
    )


def _scan(x, reverse=False):
    return lax.scan(lambda c, a: (c + a * x[0, 0], (c * a, a[:2])), x[0], x, reverse=reverse)


def _switch(i, x):
    return lax.switch(i, [lambda y: y + 1.0, lambda y: y[::-1] * 2.0, lambda y: y * y], x)


CASES: tuple[Case, ...] = (
    *_unary("neg", lax.neg, _X, _I, _ODD),
    *_unary("sign", lax.sign, _ODD, _I, _F32),
    *_unary("floor", lax.floor, _X, _ODD),
    *_unary("ceil", lax.ceil, _X, _ODD),
    *_unary("is_finite", lax.is_finite, _ODD),
    *_unary("abs", lax.abs, _X, _I, _ODD),
    *_unary("exp", lax.exp, _X, _ODD, _F32 / 1e7),
    *_unary("exp2", lax.exp2, _X),
    *_unary("expm1", lax.expm1, _X),
    *_unary("log", lax.log, _POSITIVE, _ODD),
    *_unary("log2", jnp.log2, _POSITIVE),
    *_unary("one_minus_square", lambda x: (1.0 + x) * (1.0 - x), _UNIT),
    *_unary("log1p", lax.log1p, _POSITIVE, _UNIT),
    *_unary("logistic", lax.logistic, _X, _ODD),
    *_unary("tanh", lax.tanh, _X, _ODD),
    *_unary("sinh", lax.sinh, _X),
    *_unary("cosh", lax.cosh, _X),
    *_unary("asinh", lax.asinh, _X),
    *_unary("acosh", lax.acosh, 1.0 + _POSITIVE),
    *_unary("atanh", lax.atanh, _UNIT),
    *_unary("sin", lax.sin, _X),
    *_unary("cos", lax.cos, _X),
    *_unary("tan", lax.tan, _UNIT),
    *_unary("asin", lax.asin, _UNIT),
    *_unary("acos", lax.acos, _UNIT),
    *_unary("atan", lax.atan, _X, _ODD),
    *_unary("sqrt", lax.sqrt, _POSITIVE, _ODD),
    *_unary("rsqrt", lax.rsqrt, _POSITIVE),
    *_unary("cbrt", lax.cbrt, _X),
    *_unary("square", lax.square, _X, _J),
    *_unary("erf", lax.erf, _X),
    *_unary("erfc", lax.erfc, _UNIT),
    *_unary("not", lax.bitwise_not, _B, _I),
    _one("add", "", lambda x: x + 2.0, _X),
    _one("add", "wraps", lambda i, j: i + j, _I, _J),
    _one("sub", "", lambda x: 1.0 - x, _X),
    _one("sub", "wraps", lambda i, j: i - j, _I, _J),
    _one("mul", "", lambda x: x * x[:, :1], _X),
    _one("mul", "wraps", lambda i, j: i * j, _I, _I),
    _one("div", "", lax.div, _ODD, _ODD[::-1].copy()),
    _one("div", "integers", lax.div, _I, _J),
    _one("rem", "", lax.rem, _ODD, _ODD[::-1].copy()),
    _one("rem", "integers", lax.rem, _I, _J),
    _one("pow", "", lax.pow, _POSITIVE, _UNIT),
    _one("pow", "integer", lax.pow, _UNIT, np.array([2, -1, 3, 0, 5], np.int32)),
    _one("max", "", lax.max, _ODD, _ODD[::-1].copy()),
    _one("max", "integers", lax.max, _I, _J),
    _one("min", "", lax.min, _ODD, _ODD[::-1].copy()),
    _one("atan2", "", lax.atan2, _UNIT, _UNIT[::-1].copy()),
    *(
        _one(kind, "", function, _ODD, np.where(np.arange(7) % 2, _ODD, 1.0))
        for kind, function in (
            ("eq", lax.eq),
            ("ne", lax.ne),
            ("lt", lax.lt),
            ("le", lax.le),
            ("gt", lax.gt),
            ("ge", lax.ge),
        )
    ),
    _one("and", "", lax.bitwise_and, _B, _C),
    _one("and", "integers", lax.bitwise_and, _I, _J),
    _one("or", "", lax.bitwise_or, _B, _C),
    _one("xor", "", lax.bitwise_xor, _B, _C),
    _one("select_n", "", lambda b, x: jnp.where(b, x, -x), _B, _ODD[:4]),
    _one(
        "select_n",
        "three",
        lambda i, x: lax.select_n(i, x, 2.0 * x, 3.0 * x),
        np.array([2, 0, 1], np.int32),
        _X[0],
    ),
    _one("clamp", "", lambda x: lax.clamp(-1.0, x, 1.0), _ODD),
    _one("clamp", "arrays", lax.clamp, _X - 1.0, _X**2, _X + 1.0),
    _one("round", "away", lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), _ODD),
    _one("round", "even", lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), _ODD),
    *(
        _one("integer_pow", f"of_{abs(y)}{'_down' if y < 0 else ''}", lambda x, y=y: x**y, _X)
        for y in (3, 7, -2)
    ),
    _one("integer_pow", "integers", lambda i: lax.integer_pow(i, 5), _I),
    _one("convert_element_type", "down", lambda x: x.astype(jnp.int32), _ODD),
    _one("convert_element_type", "down_64", lambda x: x.astype(jnp.int64), _ODD[:6] * 1e10),
    _one("convert_element_type", "truth", lambda x: x.astype(bool), _ODD),
    _one("convert_element_type", "single", lambda i: i.astype(jnp.float32), _I),
    _one("convert_element_type", "of_truth", lambda b: b.astype(jnp.float64), _B),
    _one("broadcast_in_dim", "", lambda x: jnp.broadcast_to(x[:, None], (2, 4, 3)), _X),
    _one("reshape", "", lambda x: x.reshape(3, 2) * 2.0, _X),
    _one("reshape", "transposed", lambda x: x.T.reshape(2, 3) + 0.0 * x, _X),
    _one("squeeze", "", lambda x: lax.squeeze(x[:, :1], (1,)), _X),
    _one("slice", "", lambda x: x[1:, ::2] + x[:1, ::2], _X),
    _one("transpose", "", lambda x: jnp.transpose(x)[::-1] + 1.0, _X),
    _one("rev", "", lambda x: x[:, ::-1] * x, _X),
    _one("concatenate", "", lambda x: jnp.concatenate([x, x[:, :1] * 2.0, x], axis=1), _X),
    _one("concatenate", "twice", lambda x: (jnp.concatenate([y := x + 1.0, y]), y), _X),
    _one("stack", "", lambda x: jnp.stack([x, -x], axis=1), _X),
    _one("unstack", "", lambda x: jnp.unstack(x, axis=1), _X),
    _one("tile", "", lambda x: lax.tile(x, (2, 3)), _X),
    _one("pad", "", lambda x: lax.pad(x, 0.5, ((1, 2, 0), (0, 1, 2))), _X),
    _one("pad", "cut", lambda x: lax.pad(x, 0.5, ((-1, 1, 0), (1, -2, 1))), _X),
    _one("iota", "", lambda x: x * lax.broadcasted_iota(jnp.float64, (2, 3), 1), _X),
    _one("split", "", lambda x: jnp.split(x * 2.0, [1], axis=1), _X),
    *(
        _one("reduce_sum", f"over_{axis}", lambda x, axis=axis: x.sum(axis), _X)
        for axis in (0, 1, None)
    ),
    _one("reduce_sum", "empty", lambda x: x[:, :0].sum(1), _X),
    _one("reduce_prod", "", lambda x: x.prod(0), _X),
    _one("reduce_max", "", lambda x: x.max(), _ODD),
    _one("reduce_min", "", lambda x: x.min(1), _X),
    _one("reduce_and", "", lambda b: lax.reduce_and(b, (0,)), _B),
    _one("reduce_and", "integers", lambda i: lax.reduce_and(i, (0,)), _I),
    _one("reduce_or", "", lambda b: lax.reduce_or(b, (0,)), _B),
    _one("argmax", "", lambda x: x.argmax(1), _X),
    _one("argmax", "nan", lambda x: x.argmax(), _ODD),
    _one("argmin", "", lambda x: x.argmin(0), _X),
    _one("cumsum", "", lambda x: jnp.cumsum(x, 1), _X),
    _one("cumprod", "", lambda x: lax.cumprod(x, 0), _X),
    _one("cummax", "", lambda x: lax.cummax(x, 1, reverse=True), _X),
    _one("cummin", "", lambda x: lax.cummin(x, 1), _X),
    _one("dot_general", "matrices", lambda x: x @ x.T, _X),
    _one("dot_general", "vector", lambda x: x @ x[0], _X),
    _one("dot_general", "batched", lambda x: jnp.einsum("bi,bj->bij", x, x), _X),
    _one("dot_general", "integers", lambda i: jnp.dot(i, i), _I),
    _one("gather", "rows", lambda x, i: x[i], _ROWS, np.array([3, 0, -1], np.int32)),
    _one(
        "gather",
        "fill",
        lambda x, i: x.at[i].get(mode="fill", fill_value=-1.0),
        _ROWS,
        np.array([[3, 4], [-9, 1]], np.int32),
    ),
    _one(
        "gather",
        "clip",
        lambda x, i: x.at[i, 1].get(mode="clip"),
        _ROWS,
        np.array([9, 2], np.int32),
    ),
    _one("gather", "fill_truth", lambda b, i: b.at[i].get(mode="fill"), _B, np.array([2, 9])),
    _one("gather", "nan", lambda x, i: x.at[i].get(mode="fill"), _ROWS, np.array([7], np.int32)),
    _one(
        "gather",
        "batched",
        lambda x, i: jax.vmap(lambda row, k: row[k])(x, i),
        _ROWS,
        np.array([2, 0, 1, 2], np.int32),
    ),
    _one("scatter", "", lambda x, i: x.at[i].set(5.0), _ROWS, np.array([1, 9, -1], np.int32)),
    _one(
        "scatter_add",
        "",
        lambda x, i: x.at[i].add(x[:3]),
        _ROWS,
        np.array([1, 1, 9], np.int32),
    ),
    _one("scatter_add", "column", lambda x: x.at[1:3, 2].add(x[0, :2]), _ROWS),
    _one(
        "dynamic_slice",
        "",
        lambda x, i: lax.dynamic_slice(x, (i, i - 2), (2, 2)),
        _ROWS,
        np.int32(3),
    ),
    _one(
        "dynamic_update_slice",
        "",
        lambda x, i: lax.dynamic_update_slice(x, x[:1, :2] * 9.0, (i, i + 3)),
        _ROWS,
        np.int32(2),
    ),
    *(
        _one(
            "searchsorted",
            f"{side}_{method}",
            lambda t, x, side=side, method=method: jnp.searchsorted(t, x, side, method=method),
            _TABLE,
            np.array([[-1.0, 0.5, 0.7], [2.0, 9.0, np.nan]]),
        )
        for side in ("left", "right")
        for method in ("compare_all", "scan")
    ),
    _one("cond", "", lambda x: lax.cond(x[0] > 0, lambda y: y * 2.0, lambda y: y - x[1], x), _X[0]),
    *(_one("cond", f"of_{i + 1}", _switch, np.int32(i), _X[0]) for i in (-1, 1, 7)),
    _one("while", "", _loop, _X[0]),
    _one("bitcast_convert_type", "", lambda x: lax.bitcast_convert_type(x, np.uint64) & 2**52, _X),
    _one("bitcast_convert_type", "float", lambda i: lax.bitcast_convert_type(i, np.float32), _I),
    *(
        _one(name, suffix, function, i.astype(dtype), j.astype(dtype))
        for name, function in (
            ("shift_left", lax.shift_left),
            ("shift_right_logical", lax.shift_right_logical),
            ("shift_right_arithmetic", lax.shift_right_arithmetic),
        )
        for suffix, dtype, i, j in (
            ("signed", np.int32, _I, _SHIFTS),
            ("wide", np.int64, _I, _SHIFTS),
            ("unsigned", np.uint32, abs(_J), abs(_SHIFTS)),
        )
    ),
    _one("custom_jvp", "", lambda x: _sloped(x), _X),
    _one("custom_jvp", "relu", jax.nn.relu, _ODD),
    _one("custom_vjp", "", lambda x: _weighed(x, x + 1.0), _X),
    _one("stop_gradient", "", lambda x: lax.stop_gradient(x) * x, _X),
    _one("identity", "", lambda x: x, _X),
    _one("scan", "", _scan, _X),
    _one("scan", "reverse", lambda x: _scan(x, reverse=True), _X),
)
