"""Derivatives as operations of the graph."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.graph import array
from gradion.graph.build import apply, cond, constant, placeholder, variable, while_loop
from gradion.graph.gradients import gradients, hessian
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case, expression
from graph_cases.outcome import attempt, refused

_X = np.array([0.5, -1.5, 2.0])
_M = np.array([[1.0, 2.0], [3.0, -4.0]])


@case
class SeveralYsAreAddedUp(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        w = tf.placeholder(tf.float64, ())
        return session.run(tf.gradients([x * w, tf.sin(x)], [x, w]), {x: _X, w: 3.0})

    def gradion(self, session: Session) -> Any:
        x, w = placeholder("float64", (3,)), placeholder("float64")
        return session.run(gradients([x * w, np.sin(x)], [x, w]), {x: _X, w: 3.0})


@case
class WeightsOfTheYs(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        weight = tf.constant([1.0, 10.0, 100.0], tf.float64)
        return session.run(tf.gradients([x * x, x], [x], grad_ys=[weight, None]), {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        weight = constant([1.0, 10.0, 100.0], dtype="float64")
        return session.run(gradients([x * x, x], [x], grad_ys=[weight, None]), {x: _X})


@case
class WhatIsNotConnectedIsNone(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, z = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        y = x * 2.0
        found = tf.gradients([y], [x, z, y * 3.0])
        return [g is None for g in found]

    def gradion(self, session: Session) -> Any:
        x, z = placeholder("float64"), placeholder("float64")
        y = x * 2.0
        found = gradients([y], [x, z, y * 3.0])
        return [g is None for g in found]


@case
class OfItself(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        return session.run(tf.gradients(x, x), {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        return session.run(gradients([x], [x]), {x: _X})


@case
class WithRespectToAnIntermediate(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        h = x * x
        y = tf.reduce_sum(h * x)
        # x and h are both asked for: the path of x through h counts for x too.
        return session.run(tf.gradients(y, [x, h]), {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        h = x * x
        y = np.sum(h * x)
        return session.run(gradients([y], [x, h]), {x: _X})


@case
class TheSameXTwice(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        return session.run(tf.gradients(x * x, [x, x]), {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        return session.run(gradients([x * x], [x, x]), {x: _X})


@case
class WithRespectToAVariable(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(_M)
        x = tf.placeholder(tf.float64, (2,))
        y = tf.linalg.matvec(v, x) + tf.linalg.matvec(v * v, x)
        session.run(v.initializer)
        return session.run(tf.gradients(y, [v]), {x: [1.0, 2.0]})

    def gradion(self, session: Session) -> Any:
        v = variable(_M)
        x = placeholder("float64", (2,))
        y = v @ x + (v * v) @ x
        session.run(v.initializer)
        return session.run(gradients([y], [v]), {x: [1.0, 2.0]})


@case
class OfSecondOrder(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        (first,) = tf.gradients(tf.sin(x) * x, x)
        (second,) = tf.gradients(first, x)
        (third,) = tf.gradients(second, x)
        return session.run([first, second, third], {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        (first,) = gradients([np.sin(x) * x], [x])
        (second,) = gradients([first], [x])
        (third,) = gradients([second], [x])
        return session.run([first, second, third], {x: _X})


@case
class Hessians(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        y = tf.reduce_sum(x) ** 3 + tf.reduce_prod(x)
        return session.run(tf.hessians(y, x), {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        y = np.sum(x) ** 3 + np.prod(x)
        return session.run(hessian(y, [x]), {x: _X})


@case
class AStop(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        y = x * tf.stop_gradient(x * x)
        return session.run(tf.gradients(y, x), {x: _X})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        y = x * apply(lax.stop_gradient, x * x)
        return session.run(gradients([y], [x]), {x: _X})


@case(
    differs="a stop has the derivative zero; TensorFlow calls x unconnected and gives None",
    ours=[False, {"float64[3]": [0.0, 0.0, 0.0]}],
)
class AStopEverywhere(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        (found,) = tf.gradients(tf.stop_gradient(x * x), x)
        return [found is None, None]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        (found,) = gradients([apply(lax.stop_gradient, x * x)], [x])
        return [found is None, None if found is None else session.run(found, {x: _X})]


@case
class ThroughABranch(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.cond(x > 1.0, lambda: x * x, lambda: tf.sin(x))
        (found,) = tf.gradients(y, x)
        return [session.run([y, found], {x: v}) for v in (2.0, 0.5)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = cond(x > 1.0, lambda v: v * v, jnp.sin, x)
        (found,) = gradients([y], [x])
        return [session.run([y, found], {x: v}) for v in (2.0, 0.5)]


@case
class ThroughALoopOfKnownLength(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.while_loop(lambda i, _: i < 5, lambda i, v: (i + 1, v * x), (0, x))[1]
        return session.run([y, *tf.gradients(y, x)], {x: 1.5})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = apply(lambda x: lax.fori_loop(0, 5, lambda _, v: v * x, x), x)
        return session.run([y, *gradients([y], [x])], {x: 1.5})


@case(
    differs="the rounds of a while loop are not stored; a bounded loop has a gradient",
    ours={"raises": "ValueError"},
)
class ThroughALoopOfUnknownLength(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.while_loop(lambda v: v < 10.0, lambda v: v * v, (x,))
        return session.run(tf.gradients(y, x), {x: 1.5})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = while_loop(lambda v: v < 10.0, lambda v: v * v, x)
        return session.run(gradients([y], [x]), {x: 1.5})


@case(
    differs="ys of whole numbers are an error; TensorFlow warns, and gives None",
    ours={"raises": "TypeError"},
)
class OfWholeNumbers(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.int32, ())
        return tf.gradients(x * 2, x)

    def gradion(self, session: Session) -> Any:
        x = placeholder("int32")
        return gradients([x * 2], [x])


@case(
    differs="a cast to whole numbers has the derivative zero; TensorFlow gives None",
    ours=[False],
)
class ThroughWholeNumbers(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.cast(tf.cast(x, tf.int32), tf.float64)
        return [g is None for g in tf.gradients(y, x)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = array.astype(array.astype(x, "int32"), "float64")
        return [g is None for g in gradients([y], [x])]


@case
class AWeightOfAWrongShape(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        weight = tf.constant([1.0, 2.0], tf.float64)
        return refused(lambda: tf.gradients(x * x, x, grad_ys=[weight])[0].name)

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        weight = constant([1.0, 2.0], dtype="float64")
        return refused(lambda: gradients([x * x], [x], grad_ys=[weight])[0].name)


@case
class AFedIntermediateTakesPart(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3,))
        h = tf.sin(x)
        (found,) = tf.gradients(h * h * h, h)
        return session.run(found, {h: [1.0, 2.0, 3.0]})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3,))
        h = np.sin(x)
        (found,) = gradients([h * h * h], [h])
        return session.run(found, {h: [1.0, 2.0, 3.0]})


@case
class NothingToDifferentiate(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        return [attempt(lambda: tf.gradients([x * 2.0], []))]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        return [attempt(lambda: gradients([x * 2.0], []))]


def _slope(
    words: str, theirs: Any, ours: Any, x: Any, *, differs: str | None = None, outcome: Any = None
) -> None:
    """The gradient of the sum of a function of one array."""
    expression(
        "gradients",
        f"of {words}",
        # A gather's is given by its rows, until it is asked for as an array.
        lambda tf, x: [tf.convert_to_tensor(g) for g in tf.gradients(theirs(tf, x), x)],
        lambda x: gradients([ours(x)], [x]),
        x,
        differs=differs,
        outcome=outcome,
    )


_slope(
    "abs at zero",
    lambda tf, x: tf.abs(x),
    np.abs,
    [0.0, -0.0, -2.0],
    differs="the derivative of |x| at 0 is 1, as in JAX; TensorFlow takes the sign, 0",
    outcome=[{"float64[3]": [1.0, 1.0, -1.0]}],
)
_slope("relu at zero", lambda tf, x: tf.nn.relu(x), array.relu, [0.0, -1.0, 1.0])
_slope("sqrt at zero", lambda tf, x: tf.sqrt(x), np.sqrt, [0.0, 4.0])
_slope("log at zero", lambda tf, x: tf.log(x), np.log, [0.0, 4.0])
_slope(
    "the largest, several times", lambda tf, x: tf.reduce_max(x), np.max, [1.0, 3.0, 3.0, -1.0, 3.0]
)
_slope("a product with zeros", lambda tf, x: tf.reduce_prod(x), np.prod, [2.0, 0.0, 3.0])
_slope(
    "a gather that repeats",
    lambda tf, x: tf.gather(x, [0, 2, 2, 2]) * [1.0, 2.0, 3.0, 4.0],
    lambda x: np.take(x, np.array([0, 2, 2, 2])) * np.array([1.0, 2.0, 3.0, 4.0]),
    _X,
)
_slope(
    "a choice",
    lambda tf, x: tf.where(x > 0.0, x * x, -x),
    lambda x: np.where(x > 0.0, x * x, -x),
    _X,
)
_slope(
    "a choice that is not taken and is not finite",
    lambda tf, x: tf.where(x > 0.0, tf.log(x), x),
    lambda x: np.where(x > 0.0, np.log(x), x),
    [0.0, 1.0],
)
_slope(
    "broadcast sums",
    lambda tf, x: tf.reduce_sum(x * tf.constant(_M[:, :1]), axis=1) ** 2,
    lambda x: np.sum(x * _M[:, :1], axis=1) ** 2,
    _X,
)
_slope(
    "a matrix product",
    lambda tf, x: tf.matmul(x, x, transpose_b=True),
    lambda x: x @ np.transpose(x),
    _M,
)
_slope(
    "slices",
    lambda tf, x: x[1:, ::-1] * 3.0 + x[:1],
    lambda x: x[1:, ::-1] * 3.0 + x[:1],
    _M,
)
_slope(
    "clipping at its bounds",
    lambda tf, x: tf.clip_by_value(x, -1.0, 1.0),
    lambda x: np.clip(x, -1.0, 1.0),
    [-1.0, 0.5, 1.0, 2.0],
    differs="at a bound the bound and the value share the slope, as in JAX; TensorFlow's is 1",
    outcome=[{"float64[4]": [0.5, 1.0, 0.5, 0.0]}],
)
_slope(
    "log-softmax",
    lambda tf, x: tf.nn.log_softmax(x)[0],
    lambda x: array.log_softmax(x)[0],
    [1.0, 2.0, 800.0],
)
_slope(
    "a power of zero", lambda tf, x: x**2.0 + x**1.0, lambda x: x**2.0 + x**1.0, [0.0, -2.0, 3.0]
)
_slope("a quotient", lambda tf, x: 1.0 / x, lambda x: 1.0 / x, [0.0, 2.0, -4.0])
_slope("cumulated sums", lambda tf, x: tf.cumsum(x) ** 2, lambda x: np.cumsum(x) ** 2, _X)
_slope("a norm at zero", lambda tf, x: tf.norm(x), lambda x: apply(jnp.linalg.norm, x), [0.0, 0.0])
_slope(
    "the larger of two equal ones",
    lambda tf, x: tf.maximum(x, tf.constant([1.0, 1.0], x.dtype)),
    lambda x: np.maximum(x, np.array([1.0, 1.0])),
    [1.0, 2.0],
    differs="two equal ones share the slope, as in JAX; TensorFlow gives it to the first",
    outcome=[{"float64[2]": [0.5, 1.0]}],
)
_slope(
    "tangents of every kind",
    lambda tf, x: tf.tan(x) + tf.atan(x) + tf.tanh(x),
    lambda x: np.tan(x) + np.arctan(x) + np.tanh(x),
    _X,
)
_slope("the error function", lambda tf, x: tf.math.erf(x), lambda x: apply(lax.erf, x), _X)
_slope("the sigmoid", lambda tf, x: tf.sigmoid(x), array.sigmoid, [-1000.0, 0.0, 2.0, 1000.0])
_slope("softplus", lambda tf, x: tf.nn.softplus(x), array.softplus, [-1000.0, 0.0, 2.0, 1000.0])


@case
class ARuleOfOnesOwn(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        @tf.custom_gradient
        def scaled(x: Any) -> Any:
            return x * x, lambda upstream: upstream * 100.0 * x

        x = tf.placeholder(tf.float64, (3,))
        (first,) = tf.gradients(scaled(x) * 2.0, x)
        return session.run([first, *tf.gradients(first, x)], {x: _X})

    def gradion(self, session: Session) -> Any:
        @jax.custom_vjp
        def scaled(x: Any) -> Any:
            return x * x

        def backward(x: Any, upstream: Any) -> Any:
            return (upstream * 100.0 * x,)

        scaled.defvjp(lambda x: (x * x, x), backward)
        x = placeholder("float64", (3,))
        (first,) = gradients([apply(scaled, x) * 2.0], [x])
        return session.run([first, *gradients([first], [x])], {x: _X})


@case
class FeedingWithinTheDerivative(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        h = x * 3.0
        (found,) = tf.gradients(h * h, x)
        # The derivative uses h: where h is fed, so does what depends on it.
        return [session.run(found, {x: 1.0}), session.run(found, {x: 1.0, h: 10.0})]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        h = x * 3.0
        (found,) = gradients([h * h], [x])
        return [session.run(found, {x: 1.0}), session.run(found, {x: 1.0, h: 10.0})]


_slope(
    "a row at a place that is computed",
    lambda tf, x: tf.gather(x, tf.argmax(x[:, 0])) ** 2,
    lambda x: np.take(x, np.argmax(x[:, 0]), axis=0) ** 2,
    _M,
)
_slope(
    "a scatter",
    lambda tf, x: tf.scatter_nd([[1], [1], [3]], x, (4,)) ** 2,
    lambda x: apply(lambda x: jnp.zeros(4).at[np.array([1, 1, 3])].add(x), x) ** 2,
    _X,
)
_slope(
    "joined and parted arrays",
    lambda tf, x: tf.split(tf.concat([x * x, tf.reverse(x, [0])], 0), 3)[1] ** 2,
    lambda x: np.split(np.concatenate([x * x, np.flip(x, 0)], 0), 3)[1] ** 2,
    _X,
)
_slope(
    "a cross entropy",
    lambda tf, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=[0.25, 0.0, 0.75], logits=x),
    lambda x: -np.sum(np.array([0.25, 0.0, 0.75]) * array.log_softmax(x)),
    _X,
)
