"""Sizes that are not known while the graph is written."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from gradion.graph.build import apply, cond, initialize_all, placeholder, variable
from gradion.graph.gradients import gradients
from gradion.graph.session import Session
from gradion.graph.training import minimize
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt, refused

_ROWS = np.arange(12.0).reshape(4, 3) - 5.0


@case
class SlicesAndReductions(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 3))
        y = [x[:, 1], tf.reduce_max(x, 0), tf.reduce_mean(x), tf.argmax(x, 0), x[0]]
        return [session.run(y, {x: _ROWS[:n]}) for n in (1, 4)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (None, 3))
        y = [x[:, 1], np.max(x, 0), np.mean(x), np.argmax(x, 0), x[0]]
        return [session.run(y, {x: _ROWS[:n]}) for n in (1, 4)]


@case
class SlicesFromTheEnd(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 3))
        y = [x[1:] - x[:-1], x[-1], x[::-1]]
        return session.run(y, {x: _ROWS})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", ("rows", 3))
        y = [x[1:] - x[:-1], x[-1], x[::-1]]
        return session.run(y, {x: _ROWS})


@case
class JoinsAndNewShapes(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 3))
        joined = tf.concat([x, x[:1]], axis=0)
        y = [joined, tf.reshape(x, (-1,)), tf.transpose(x), tf.matmul(x, x, transpose_a=True)]
        return [session.run(y, {x: _ROWS[:n]}) for n in (1, 2)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (None, 3))
        joined = np.concatenate([x, x[:1]], axis=0)
        y = [joined, np.reshape(x, (-1,)), np.transpose(x), np.transpose(x) @ x]
        return [session.run(y, {x: _ROWS[:n]}) for n in (1, 2)]


@case
class TwoUnknownSizes(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, (None, 3)), tf.placeholder(tf.float64, (None, 3))
        z = tf.matmul(x, y, transpose_b=True)
        return [session.run(z, {x: _ROWS[:n], y: _ROWS[:m]}) for n, m in ((1, 2), (3, 1))]

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64", ("n", 3)), placeholder("float64", ("m", 3))
        z = x @ np.transpose(y)
        return [session.run(z, {x: _ROWS[:n], y: _ROWS[:m]}) for n, m in ((1, 2), (3, 1))]


@case(
    differs="None at the same axis is one size in a graph; sizes of their own have names",
    ours={"raises": "ValueError"},
)
class TheSameAxisOfTwoPlaceholders(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, (None,)), tf.placeholder(tf.float64, (None,))
        return session.run([x, y], {x: [1.0], y: [1.0, 2.0]})

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64", (None,)), placeholder("float64", (None,))
        return session.run([x, y], {x: [1.0], y: [1.0, 2.0]})


@case(
    differs="different names are different sizes: they are not broadcast, whatever they turn out",
    ours={"raises": "misfit"},
)
class ASizeThatTurnsOutToBeOne(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, (None, 3)), tf.placeholder(tf.float64, (None, 3))
        return session.run(x + y, {x: _ROWS[:1], y: _ROWS[:2]})

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64", ("n", 3)), placeholder("float64", ("m", 3))
        return session.run(x + y, {x: _ROWS[:1], y: _ROWS[:2]})


@case
class SizesThatContradictEachOther(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, (None, 3)), tf.placeholder(tf.float64, (None, 3))
        return refused(lambda: session.run(x + y, {x: _ROWS[:3], y: _ROWS[:2]}))

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64", (None, 3)), placeholder("float64", (None, 3))
        return refused(lambda: session.run(x + y, {x: _ROWS[:3], y: _ROWS[:2]}))


@case(
    differs="a placeholder without a shape is a number; TensorFlow's takes any number of axes",
    ours=[{"float64[]": 2.0}, {"raises": "ValueError"}],
)
class APlaceholderWithoutAShape(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64)
        return [attempt(lambda v=v: session.run(x * 2.0, {x: v})) for v in (1.0, [1.0, 2.0])]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        return [attempt(lambda v=v: session.run(x * 2.0, {x: v})) for v in (1.0, [1.0, 2.0])]


@case
class DerivativesOfAMean(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, w = tf.placeholder(tf.float64, (None, 3)), tf.placeholder(tf.float64, (3, 1))
        loss = tf.reduce_mean(tf.tanh(x @ w) ** 2)
        found = tf.gradients(loss, [w, x])
        return [session.run(found, {x: _ROWS[:n], w: np.ones((3, 1)) / 9.0}) for n in (1, 4)]

    def gradion(self, session: Session) -> Any:
        x, w = placeholder("float64", (None, 3)), placeholder("float64", (3, 1))
        loss = np.mean(np.tanh(x @ w) ** 2)
        found = gradients([loss], [w, x])
        return [session.run(found, {x: _ROWS[:n], w: np.ones((3, 1)) / 9.0}) for n in (1, 4)]


@case
class TrainingOnBatchesOfDifferentSizes(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 3))
        w = tf.Variable(np.ones((3, 1)) / 9.0)
        loss = tf.reduce_mean((x @ w - 1.0) ** 2)
        rate = tf.constant(0.01, tf.float64)
        step = tf.train.GradientDescentOptimizer(rate).minimize(loss)
        session.run(tf.global_variables_initializer())
        return [session.run([loss, step], {x: _ROWS[:n]})[0] for n in (4, 1, 3)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (None, 3))
        w = variable(np.ones((3, 1)) / 9.0)
        loss = np.mean((x @ w - 1.0) ** 2)
        step = minimize(loss, optax.sgd(0.01))
        session.run(initialize_all())
        return [session.run([loss, step], {x: _ROWS[:n]})[0] for n in (4, 1, 3)]


@case
class BranchesAndScans(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None,))
        chosen = tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * 2.0, lambda: -x)
        total = tf.scan(lambda a, v: a * 0.5 + v, x, tf.constant(0.0, tf.float64))
        return [session.run([chosen, total], {x: v}) for v in ([1.0, 2.0], [-1.0, 0.0, 0.5])]

    def gradion(self, session: Session) -> Any:
        def step(a: Any, v: Any) -> Any:
            return a * 0.5 + v, a * 0.5 + v

        x = placeholder("float64", (None,))
        chosen = cond(np.sum(x) > 0.0, lambda v: v * 2.0, lambda v: -v, x)
        total = apply(lambda v: lax.scan(step, jnp.zeros(()), v)[1], x)
        return [session.run([chosen, total], {x: v}) for v in ([1.0, 2.0], [-1.0, 0.0, 0.5])]


@case
class AFedIntermediateOfUnknownSize(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 3))
        y = x * 2.0
        return session.run(tf.reduce_sum(y, 0), {y: _ROWS[:2]})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (None, 3))
        y = x * 2.0
        return session.run(np.sum(y, 0), {y: _ROWS[:2]})
