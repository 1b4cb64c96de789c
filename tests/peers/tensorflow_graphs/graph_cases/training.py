"""Optimisers: the loss of a small network, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import optax

from gradion.graph.build import Variable, group, initialize_all, placeholder, variable
from gradion.graph.session import Session
from gradion.graph.training import minimize
from graph_cases.case import AbstractProgram, Case, case, register
from graph_cases.outcome import attempt

_GENERATOR = np.random.default_rng(5)
_X = _GENERATOR.normal(size=(8, 3))
_Y = np.sin(_X[:, :1]) + _X[:, 1:2] * _X[:, 2:]
_STEPS = 20
_START = {
    "w1": _GENERATOR.normal(size=(3, 5)) * 0.5,
    "b1": np.linspace(-0.1, 0.1, 5),
    "w2": _GENERATOR.normal(size=(5, 1)) * 0.5,
    "b2": np.array([0.05]),
}


def _theirs(tf: Any) -> tuple[Any, dict[str, Any], dict[Any, Any]]:
    """Loss, variables and feeds of a network of one hidden layer."""
    x, y = tf.placeholder(tf.float64, _X.shape), tf.placeholder(tf.float64, _Y.shape)
    v = {name: tf.Variable(value, name=name) for name, value in _START.items()}
    found = tf.tanh(x @ v["w1"] + v["b1"]) @ v["w2"] + v["b2"]
    return tf.reduce_mean((found - y) ** 2), v, {x: _X, y: _Y}


def _double(tf: Any) -> Callable[[float], Any]:
    """Numbers for an optimiser: those of Python it would round to single precision."""
    return lambda number: tf.constant(number, tf.float64)


def _ours() -> tuple[Any, dict[str, Variable], dict[Any, Any]]:
    x, y = placeholder("float64", _X.shape), placeholder("float64", _Y.shape)
    v = {name: variable(value, name=name) for name, value in _START.items()}
    found = np.tanh(x @ v["w1"] + v["b1"]) @ v["w2"] + v["b2"]
    return np.mean((found - y) ** 2), v, {x: _X, y: _Y}


@final
class _Training(AbstractProgram):
    """The losses before each of the steps, and a bias after them."""

    def __init__(
        self,
        theirs: Callable[[Any, Callable[[float], Any]], Any],
        ours: optax.GradientTransformation,
    ) -> None:
        self._theirs = theirs
        self._ours = ours

    def tensorflow(self, tf: Any, session: Any) -> Any:
        loss, v, feeds = _theirs(tf)
        step = self._theirs(tf.train, _double(tf)).minimize(loss)
        session.run(tf.global_variables_initializer())
        losses = [session.run([loss, step], feeds)[0] for _ in range(_STEPS)]
        return [np.array(losses), session.run(v["b1"])]

    def gradion(self, session: Session) -> Any:
        loss, v, feeds = _ours()
        step = minimize(loss, self._ours)
        session.run(initialize_all())
        losses = [session.run([loss, step], feeds)[0] for _ in range(_STEPS)]
        return [np.array(losses), session.run(v["b1"])]


def _optimiser(
    words: str,
    theirs: Callable[[Any, Callable[[float], Any]], Any],
    ours: optax.GradientTransformation,
) -> None:
    register(f"training: {words}", Case(_Training(theirs, ours)))


_optimiser(
    "gradient descent",
    lambda train, n: train.GradientDescentOptimizer(n(0.1)),
    optax.sgd(0.1),
)
_optimiser(
    "momentum",
    lambda train, n: train.MomentumOptimizer(n(0.05), n(0.9)),
    optax.sgd(0.05, momentum=0.9),
)
_optimiser(
    "momentum of nesterov",
    lambda train, n: train.MomentumOptimizer(n(0.05), n(0.9), use_nesterov=True),
    optax.sgd(0.05, momentum=0.9, nesterov=True),
)
# TensorFlow adds epsilon to the root before the bias of the moments is taken out, optax after it:
# without epsilon both are the same formula.
_optimiser(
    "adam without epsilon",
    lambda train, n: train.AdamOptimizer(n(0.02), n(0.9), n(0.999), epsilon=n(0.0)),
    optax.adam(0.02, eps=0.0),
)
_optimiser(
    "adagrad",
    lambda train, n: train.AdagradOptimizer(n(0.1), initial_accumulator_value=0.1),
    optax.adagrad(0.1, initial_accumulator_value=0.1, eps=0.0),
)
_optimiser(
    "rmsprop",
    lambda train, n: train.RMSPropOptimizer(n(0.01), n(0.9), n(0.0), epsilon=n(1e-6)),
    optax.rmsprop(0.01, decay=0.9, eps=1e-6, initial_scale=1.0, eps_in_sqrt=True),
)


@case(
    differs="optax adds epsilon after the bias of the moments is taken out, TensorFlow before it",
    ours={"float64[]": 1.0 - 3.0 / 3.3},
)
class AdamWithEpsilon(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        n = _double(tf)
        step = tf.train.AdamOptimizer(n(1.0), n(0.9), n(0.999), epsilon=n(0.3)).minimize(3.0 * v)
        session.run(tf.global_variables_initializer())
        session.run(step)
        return session.run(v)

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        step = minimize(3.0 * v, optax.adam(1.0, eps=0.3))
        session.run(initialize_all())
        session.run(step)
        return session.run(v)


@case
class OnlyTheVariablesThatAreNamed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        loss, v, feeds = _theirs(tf)
        step = tf.train.GradientDescentOptimizer(_double(tf)(0.1)).minimize(
            loss, var_list=[v["b1"]]
        )
        session.run(tf.global_variables_initializer())
        session.run(step, feeds)
        return session.run([v["b1"], v["b2"]])

    def gradion(self, session: Session) -> Any:
        loss, v, feeds = _ours()
        step = minimize(loss, optax.sgd(0.1), variables=[v["b1"]])
        session.run(initialize_all())
        session.run(step, feeds)
        return session.run([v["b1"], v["b2"]])


@case
class VariablesThatAreNotTrainable(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v, w = (
            tf.Variable(1.0, dtype=tf.float64),
            tf.Variable(2.0, dtype=tf.float64, trainable=False),
        )
        step = tf.train.GradientDescentOptimizer(_double(tf)(0.1)).minimize(v * w)
        session.run(tf.global_variables_initializer())
        session.run(step)
        return session.run([v, w])

    def gradion(self, session: Session) -> Any:
        v, w = variable(np.float64(1.0)), variable(np.float64(2.0), trainable=False)
        step = minimize(v * w, optax.sgd(0.1))
        session.run(initialize_all())
        session.run(step)
        return session.run([v, w])


@case
class WhatAnOptimiserRemembersIsAVariable(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        step = tf.train.MomentumOptimizer(_double(tf)(0.1), 0.5).minimize(v * v)
        session.run(v.initializer)
        outcomes = [attempt(lambda: session.run(step))]
        session.run(tf.global_variables_initializer())
        session.run(step)
        session.run(step)
        # Initialised again, it has forgotten what it remembered.
        session.run(tf.global_variables_initializer())
        session.run(step)
        return [*outcomes, session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        step = minimize(v * v, optax.sgd(0.1, momentum=0.5))
        session.run(v.initializer)
        outcomes = [attempt(lambda: session.run(step))]
        session.run(initialize_all())
        session.run(step)
        session.run(step)
        session.run(initialize_all())
        session.run(step)
        return [*outcomes, session.run(v)]


@case
class NothingThatCanBeTrained(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        tf.Variable(1.0, dtype=tf.float64)
        x = tf.placeholder(tf.float64, ())
        return tf.train.GradientDescentOptimizer(_double(tf)(0.1)).minimize(x * x).name

    def gradion(self, session: Session) -> Any:
        variable(np.float64(1.0))
        x = placeholder("float64")
        return minimize(x * x, optax.sgd(0.1)).name


@case
class GradientsClippedTogether(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        loss, v, feeds = _theirs(tf)
        optimiser = tf.train.GradientDescentOptimizer(_double(tf)(0.1))
        slopes, handles = zip(*optimiser.compute_gradients(loss), strict=True)
        clipped, _ = tf.clip_by_global_norm(slopes, 0.25)
        step = optimiser.apply_gradients(zip(clipped, handles, strict=True))
        session.run(tf.global_variables_initializer())
        losses = [session.run([loss, step], feeds)[0] for _ in range(3)]
        return [np.array(losses), session.run(v["b1"])]

    def gradion(self, session: Session) -> Any:
        loss, v, feeds = _ours()
        step = minimize(loss, optax.chain(optax.clip_by_global_norm(0.25), optax.sgd(0.1)))
        session.run(initialize_all())
        losses = [session.run([loss, step], feeds)[0] for _ in range(3)]
        return [np.array(losses), session.run(v["b1"])]


@case
class ACounterOfSteps(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        optimiser = tf.train.GradientDescentOptimizer(_double(tf)(0.1))
        step = optimiser.minimize(v * v, global_step=steps)
        session.run(tf.global_variables_initializer())
        session.run(step)
        session.run(step)
        return session.run([steps, v])

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        steps = variable(np.int64(0), trainable=False)
        step = group([minimize(v * v, optax.sgd(0.1)), steps.assign_add(1)])
        session.run(initialize_all())
        session.run(step)
        session.run(step)
        return session.run([steps, v])


@case
class ARateThatDecays(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        rate = _double(tf)(0.1) * _double(tf)(0.5) ** tf.cast(steps, tf.float64)
        step = tf.train.GradientDescentOptimizer(rate).minimize(v * v, global_step=steps)
        session.run(tf.global_variables_initializer())
        for _ in range(4):
            session.run(step)
        return session.run(v)

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        step = minimize(v * v, optax.sgd(lambda n: 0.1 * 0.5 ** n.astype("float64")))
        session.run(initialize_all())
        for _ in range(4):
            session.run(step)
        return session.run(v)
