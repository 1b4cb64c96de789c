"""Arrays: shapes, slices, reductions, products, gathers and scatters."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.graph import array
from gradion.graph.build import apply, constant
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case, expression
from graph_cases.outcome import attempt

_CUBE = np.arange(24.0).reshape(2, 3, 4) - 7.0
_M = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
_N = np.array([[0.5, 1.0], [2.0, -1.0], [0.25, 3.0]])
_NOTHING = np.zeros((0, 3))


def _row(words: str, theirs: Any, ours: Any, *feeds: Any, **more: Any) -> None:
    expression("arrays", words, theirs, ours, *feeds, **more)


_row(
    "broadcasting",
    lambda _, x, y, z: [x + y, y * z, x - z],
    lambda x, y, z: [x + y, y * z, x - z],
    _M,
    [[10.0], [20.0]],
    2.0,
)
_row("shapes that do not fit", lambda _, x, y: x + y, lambda x, y: x + y, _M, _N)
_row(
    "slices",
    lambda _, x: [x[0], x[:, 1:], x[..., -1], x[1, :, ::2], x[:, ::-1, 0], x[-1, -2, -3]],
    lambda x: [x[0], x[:, 1:], x[..., -1], x[1, :, ::2], x[:, ::-1, 0], x[-1, -2, -3]],
    _CUBE,
)
_row(
    "slices with new axes",
    lambda tf, x: [x[tf.newaxis], x[:, tf.newaxis, 1], x[..., tf.newaxis]],
    lambda x: [x[None], x[:, None, 1], x[..., None]],
    _M,
)
_row(
    "slices that reach beyond the end",
    lambda _, x: [x[0:99], x[5:9], x[:, -99:1]],
    lambda x: [x[0:99], x[5:9], x[:, -99:1]],
    _M,
)
_row(
    "an index beyond the end",
    lambda _, x: x[5],
    lambda x: x[5],
    _M,
)
_row("one axis too many", lambda _, x: x[0, 0, 0], lambda x: x[0, 0, 0], _M)
_row(
    "an index that is computed",
    lambda _, x, i: x[i],
    lambda x, i: x[i],
    _M,
    np.int32(1),
)
_row(
    "new shapes",
    lambda tf, x: [tf.reshape(x, (3, -1)), tf.reshape(x, (-1,)), tf.transpose(x, (2, 0, 1))],
    lambda x: [np.reshape(x, (3, -1)), np.reshape(x, (-1,)), np.transpose(x, (2, 0, 1))],
    _CUBE,
)
_row(
    "a shape of another size",
    lambda tf, x: tf.reshape(x, (4, 2)),
    lambda x: np.reshape(x, (4, 2)),
    _M,
)
_row(
    "axes of size one",
    lambda tf, x: [tf.expand_dims(x, 1), tf.squeeze(tf.expand_dims(x, -1)), tf.squeeze(x[:1], 0)],
    lambda x: [np.expand_dims(x, 1), np.squeeze(np.expand_dims(x, -1)), np.squeeze(x[:1], 0)],
    _M,
)
_row("a squeeze of more than one", lambda tf, x: tf.squeeze(x, 0), lambda x: np.squeeze(x, 0), _M)
_row(
    "joining",
    lambda tf, x: [tf.concat([x, x[:1]], axis=0), tf.stack([x, -x], axis=1), tf.tile(x, (1, 2))],
    lambda x: [np.concatenate([x, x[:1]], axis=0), np.stack([x, -x], axis=1), np.tile(x, (1, 2))],
    _M,
)
_row(
    "parting",
    lambda tf, x: [tf.split(x, 3, axis=1), tf.unstack(x)],
    lambda x: [np.split(x, 3, axis=1), list(x)],
    _M,
)
_row(
    "padding",
    lambda tf, x: [
        tf.pad(x, ((1, 0), (0, 2)), constant_values=9.0),
        tf.pad(x, ((0, 1), (1, 1)), mode="REFLECT"),
    ],
    lambda x: [
        np.pad(x, ((1, 0), (0, 2)), constant_values=9.0),
        np.pad(x, ((0, 1), (1, 1)), mode="reflect"),
    ],
    _M,
)
_row(
    "reversing and rolling",
    lambda tf, x: [tf.reverse(x, [0, 1]), tf.roll(x, 1, axis=1), tf.roll(x, -1, axis=0)],
    lambda x: [np.flip(x, (0, 1)), np.roll(x, 1, axis=1), np.roll(x, -1, axis=0)],
    _M,
)
_row(
    "reductions",
    lambda tf, x: [
        tf.reduce_sum(x),
        tf.reduce_sum(x, axis=(0, 2)),
        tf.reduce_prod(x[0, 0]),
        tf.reduce_max(x, axis=-1),
        tf.reduce_min(x, axis=0, keepdims=True),
        tf.reduce_mean(x, axis=1),
    ],
    lambda x: [
        np.sum(x),
        np.sum(x, axis=(0, 2)),
        np.prod(x[0, 0]),
        np.max(x, axis=-1),
        np.min(x, axis=0, keepdims=True),
        np.mean(x, axis=1),
    ],
    _CUBE,
)
_row(
    "reductions of truth values",
    lambda tf, x: [tf.reduce_all(x > 0.0, axis=0), tf.reduce_any(x > 4.0, axis=1)],
    lambda x: [np.all(x > 0.0, axis=0), np.any(x > 4.0, axis=1)],
    _M,
)
_row(
    "reductions of whole numbers",
    lambda tf, x: [tf.reduce_sum(x), tf.reduce_max(x), tf.reduce_prod(x)],
    lambda x: [apply(jnp.sum, x, dtype="int32"), np.max(x), apply(jnp.prod, x, dtype="int32")],
    np.array([2**30, 2**30, 2**30], np.int32),
)
_row(
    "the dtype of sums of whole numbers",
    lambda tf, x: tf.reduce_sum(x),
    np.sum,
    np.array([2**30, 2**30, 2**30], np.int32),
    differs="a sum of fewer than 64 bits is taken in 64, as in NumPy; TensorFlow's wraps",
    outcome={"int64[]": 3 * 2**30},
)
_row(
    "spread",
    lambda tf, x: [tf.math.reduce_variance(x, axis=0), tf.math.reduce_std(x)],
    lambda x: [np.var(x, axis=0), np.std(x)],
    _M,
)
_row(
    "sums and products of nothing",
    lambda tf, x: [tf.reduce_sum(x, 0), tf.reduce_prod(x, 0), tf.reduce_all(x > 0.0)],
    lambda x: [np.sum(x, 0), np.prod(x, 0), np.all(x > 0.0)],
    _NOTHING,
)
_row(
    "the largest of nothing",
    lambda tf, x: tf.reduce_max(x, axis=0),
    lambda x: np.max(x, axis=0),
    _NOTHING,
    differs="the largest of nothing is an error, as in NumPy; TensorFlow gives -inf",
    outcome={"raises": "ValueError"},
)
_row("the mean of nothing", lambda tf, x: tf.reduce_mean(x), np.mean, _NOTHING)
_row(
    "cumulated sums and products",
    lambda tf, x: [
        tf.cumsum(x, axis=1),
        tf.cumprod(x, axis=0),
        tf.cumsum(x, axis=1, reverse=True),
    ],
    lambda x: [np.cumsum(x, 1), np.cumprod(x, 0), np.flip(np.cumsum(np.flip(x, 1), 1), 1)],
    _M,
)
_row(
    "the place of the largest",
    lambda tf, x: [
        tf.argmax(x, axis=0),
        tf.argmax(x, axis=1),
        tf.argmin(x, axis=1),
        tf.argmax(x[0] * 0.0),
    ],
    lambda x: [
        np.argmax(x, axis=0),
        np.argmax(x, axis=1),
        np.argmin(x, axis=1),
        np.argmax(x[0] * 0.0),
    ],
    np.array([[1.0, 5.0, 5.0], [2.0, 0.0, 5.0]]),
)
_row(
    "the place of the largest with NaN",
    lambda tf, x: [tf.argmax(x), tf.argmin(x)],
    lambda x: [np.argmax(x), np.argmin(x)],
    [1.0, float("nan"), 3.0],
    differs="NaN is the largest and the smallest, as in NumPy; TensorFlow's search skips it",
    outcome=[{"int64[]": 1}, {"int64[]": 1}],
)
_row(
    "products of matrices",
    lambda tf, x, y: [
        tf.matmul(x, y),
        tf.matmul(x, y, transpose_a=True, transpose_b=True),
        tf.linalg.matvec(x, y[:, 0]),
        tf.tensordot(x, y, axes=[[0, 1], [1, 0]]),
    ],
    lambda x, y: [
        x @ y,
        np.transpose(x) @ np.transpose(y),
        x @ y[:, 0],
        np.tensordot(x, y, axes=[[0, 1], [1, 0]]),
    ],
    _M,
    _N,
)
_row(
    "many products of matrices",
    lambda tf, x, y: [tf.matmul(x, y), tf.einsum("bij,bjk->ki", x, y)],
    lambda x, y: [x @ y, np.einsum("bij,bjk->ki", x, y)],
    _CUBE,
    np.swapaxes(_CUBE, 1, 2),
)
_row("products that do not fit", lambda tf, x, y: tf.matmul(x, y), lambda x, y: x @ y, _M, _M)
_row(
    "products of whole numbers",
    lambda tf, x: tf.matmul(x, x),
    lambda x: x @ x,
    np.array([[1, 2], [3, 4]], np.int32),
)
_row(
    "a product over nothing",
    lambda tf, x, y: tf.matmul(x, y),
    lambda x, y: x @ y,
    np.zeros((2, 0)),
    np.zeros((0, 3)),
)
_row(
    "gathers",
    lambda tf, x, i: [tf.gather(x, i), tf.gather(x, i, axis=1), tf.gather(x[0], [[0, 2], [1, 1]])],
    lambda x, i: [
        np.take(x, i, axis=0),
        np.take(x, i, axis=1),
        np.take(x[0], np.array([[0, 2], [1, 1]])),
    ],
    _M,
    np.array([1, 0, 1], np.int32),
)
_row(
    "gathers of single elements",
    lambda tf, x: tf.gather_nd(x, [[0, 1], [1, 2], [0, 0]]),
    lambda x: x[np.array([0, 1, 0]), np.array([1, 2, 0])],
    _M,
)
_row(
    "gathers beyond the end",
    lambda tf, x, i: tf.gather(x, i),
    lambda x, i: np.take(x, i, axis=0),
    [1.0, 2.0, 3.0],
    np.array([0, 3], np.int32),
    differs="no element can end a compiled program: what is not there is NaN, as in JAX",
    outcome={"float64[2]": [1.0, float("nan")]},
)
_row(
    "scatters that add",
    lambda tf, i, v: tf.scatter_nd(i[:, None], v, (4,)),
    lambda i, v: apply(lambda i, v: jnp.zeros(4).at[i].add(v), i, v),
    np.array([1, 3, 1], np.int32),
    [1.0, 2.0, 3.0],
)
_row(
    "scatters that set",
    lambda tf, x: tf.tensor_scatter_nd_update(x, [[1], [0]], [10.0, 20.0]),
    lambda x: apply(lambda x: x.at[np.array([1, 0])].set(np.array([10.0, 20.0])), x),
    [1.0, 2.0, 3.0],
)
_row(
    "scatters that keep the largest",
    lambda tf, x: tf.tensor_scatter_nd_max(x, [[0], [2], [0]], [5.0, -5.0, 7.0]),
    lambda x: apply(lambda x: x.at[np.array([0, 2, 0])].max(np.array([5.0, -5.0, 7.0])), x),
    [1.0, 2.0, 3.0],
    differs="scatters of a graph add or set",
    outcome={"raises": "unsupported"},
)
_row(
    "sums by segment",
    lambda tf, x, i: tf.math.unsorted_segment_sum(x, i, 3),
    lambda x, i: apply(lambda x, i: jnp.zeros((3, 3)).at[i].add(x), x, i),
    _M,
    np.array([2, 0], np.int32),
)
_row(
    "one-hot rows",
    lambda tf, i: tf.one_hot(i, 3, dtype=tf.float64),
    lambda i: array.one_hot(i, 3, dtype="float64"),
    np.array([0, 2, -1, 3], np.int32),
)
_row(
    "places in a table",
    lambda tf, table, x: [
        tf.searchsorted(table, x, side="left"),
        tf.searchsorted(table, x, side="right"),
    ],
    lambda table, x: [np.searchsorted(table, x), np.searchsorted(table, x, side="right")],
    [1.0, 2.0, 2.0, 5.0],
    [0.0, 1.0, 2.0, 3.0, 9.0],
)
_row(
    "triangles and diagonals",
    lambda tf, x: [
        tf.linalg.band_part(x, -1, 0),
        tf.linalg.diag_part(x),
        tf.linalg.diag(x[0]),
        tf.linalg.trace(x),
    ],
    lambda x: [np.tril(x), np.diag(x), np.diag(x[0]), np.trace(x)],
    _M[:, :2],
)
_row(
    "a choice of rows by truth values",
    lambda tf, c, x, y: tf.where(c, x, y),
    lambda c, x, y: np.where(c, x, y),
    [[True, False, True], [False, False, True]],
    _M,
    -_M,
)
_row(
    "grids",
    lambda tf, x, y: tf.meshgrid(x, y),
    lambda x, y: list(np.meshgrid(x, y)),
    [1.0, 2.0, 3.0],
    [10.0, 20.0],
)
_row(
    "activations",
    lambda tf, x: [tf.nn.relu6(x), tf.nn.elu(x), tf.nn.selu(x), tf.nn.leaky_relu(x, 0.25)],
    lambda x: [
        array.relu6(x),
        array.elu(x),
        array.selu(x),
        array.leaky_relu(x, negative_slope=0.25),
    ],
    [-2.0, -0.5, 0.0, 3.0, 9.0],
)
_row(
    "losses",
    lambda tf, x, p: [
        tf.reduce_mean(tf.squared_difference(x, p)),
        tf.nn.softmax_cross_entropy_with_logits_v2(labels=p, logits=x),
        tf.nn.l2_loss(x),
    ],
    lambda x, p: [
        np.mean((x - p) ** 2),
        -np.sum(p * array.log_softmax(x), axis=-1),
        np.sum(x * x) / 2.0,
    ],
    _M,
    [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]],
)
_row(
    "a convolution",
    lambda tf, x, k: tf.nn.conv2d(x, k, strides=1, padding="SAME"),
    lambda x, k: apply(
        lambda x, k: lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        x,
        k,
    ),
    np.arange(18.0).reshape(1, 3, 3, 2),
    np.arange(8.0).reshape(2, 2, 2, 1),
    differs="convolutions are outside of the set of operations",
    outcome={"raises": "unsupported"},
)
_row(
    "sorting",
    lambda tf, x: tf.sort(x, axis=1),
    lambda x: apply(jnp.sort, x, axis=1),
    _M,
    differs="sorting is outside of the set of operations",
    outcome={"raises": "unsupported"},
)


@case
class IterationOverTheFirstAxis(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        rows = attempt(lambda: session.run([row * 2.0 for row in tf.unstack(tf.constant(_M))]))
        return [rows, attempt(lambda: len(list(tf.constant(1.0, tf.float64))))]

    def gradion(self, session: Session) -> Any:
        rows = attempt(lambda: session.run([row * 2.0 for row in constant(_M)]))
        return [rows, attempt(lambda: len(list(constant(1.0))))]


_row(
    "a gather with a negative index",
    lambda tf, x, i: tf.gather(x, i),
    lambda x, i: np.take(x, i, axis=0),
    [1.0, 2.0, 3.0],
    np.array([-1], np.int32),
    differs="a negative index counts from the end, as in NumPy; TensorFlow's gather refuses it",
    outcome={"float64[1]": [3.0]},
)
_row(
    "one element of each row",
    lambda tf, x, i: tf.gather(x, i[:, None], batch_dims=1),
    lambda x, i: np.take_along_axis(x, i[:, None], axis=1),
    _M,
    np.array([2, 0], np.int32),
)
_row(
    "a slice whose start is computed",
    lambda tf, x, i: tf.slice(x, [0, i], [2, 2]),
    lambda x, i: apply(lambda x, i: lax.dynamic_slice_in_dim(x, i, 2, axis=1), x, i),
    _M,
    np.int32(1),
)
_row(
    "products and sums by name",
    lambda tf, x, y: [tf.einsum("ij,jk->", x, y), tf.einsum("ij,ji->i", x, y)],
    lambda x, y: [np.einsum("ij,jk->", x, y), np.einsum("ij,ji->i", x, y)],
    _M,
    _N,
)
_row(
    "norms",
    lambda tf, x: [tf.norm(x), tf.norm(x, ord=1, axis=1), tf.norm(x, ord=np.inf, axis=0)],
    lambda x: [
        apply(jnp.linalg.norm, x),
        apply(jnp.linalg.norm, x, ord=1, axis=1),
        apply(jnp.linalg.norm, x, ord=np.inf, axis=0),
    ],
    _M,
)
_row(
    "ranges",
    lambda tf, x: [tf.linspace(x[0], x[1], 5), tf.cast(tf.range(3), x.dtype) * x[1]],
    lambda x: [np.linspace(x[0], x[1], 5), apply(lambda x: jnp.arange(3) * x[1], x)],
    [1.0, 3.0],
)
