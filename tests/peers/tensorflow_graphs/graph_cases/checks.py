"""Conditions that a run asks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph.build import (
    check,
    constant,
    control_dependencies,
    identity,
    placeholder,
    variable,
)
from gradion.graph.session import CheckFailedError, Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt


@case
class ACheckThatIsFetched(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        positive = tf.debugging.Assert(x > 0.0, [x])
        return [attempt(lambda v=v: session.run(positive, {x: v})) for v in (1.0, -1.0)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        positive = check(x > 0.0, "x is not positive")
        return [attempt(lambda v=v: session.run(positive, {x: v})) for v in (1.0, -1.0)]


@case
class ACheckThatIsWaitedFor(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        with tf.control_dependencies([tf.debugging.Assert(x > 0.0, [x])]):
            y = tf.sqrt(x)
        return [attempt(lambda v=v: session.run(y + 1.0, {x: v})) for v in (4.0, -4.0)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        with control_dependencies([check(x > 0.0, "x is not positive")]):
            y = np.sqrt(x)
        return [attempt(lambda v=v: session.run(y + 1.0, {x: v})) for v in (4.0, -4.0)]


@case
class AllElementsMustHold(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        positive = tf.debugging.assert_positive(x)
        given = ([1.0, 2.0], [1.0, -2.0], [np.nan, 1.0])
        return [attempt(lambda v=v: session.run(positive, {x: v})) for v in given]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        positive = check(x > 0.0, "x is not positive")
        given = ([1.0, 2.0], [1.0, -2.0], [np.nan, 1.0])
        return [attempt(lambda v=v: session.run(positive, {x: v})) for v in given]


@case
class NumbersThatAreNotFinite(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.debugging.check_numerics(tf.log(x), "log of x")
        return [attempt(lambda v=v: session.run(y, {x: v})) for v in (1.0, 0.0, -1.0)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        logarithm = np.log(x)
        with control_dependencies([check(np.isfinite(logarithm), "log of x")]):
            y = identity(logarithm)
        return [attempt(lambda v=v: session.run(y, {x: v})) for v in (1.0, 0.0, -1.0)]


@case
class TheMessageIsTold(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        ready = tf.debugging.Assert(tf.constant(False), ["the tank is empty"])
        try:
            session.run(ready)
        except tf.errors.InvalidArgumentError as error:
            return "the tank is empty" in str(error)

    def gradion(self, session: Session) -> Any:
        ready = check(constant(False), "the tank is empty")
        try:
            session.run(ready)
        except CheckFailedError as error:
            return "the tank is empty" in str(error)


@case(
    differs="a run whose check fails changes no variable; TensorFlow keeps what ran before it",
    ours=[{"raises": "check failed"}, {"float64[]": 1.0}],
)
class WhatAFailedRunLeaves(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        session.run(v.initializer)
        with tf.control_dependencies([v.assign(5.0)]):
            failing = tf.debugging.Assert(v.read_value() < 0.0, ["v"])
        return [attempt(lambda: session.run(failing)), session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        session.run(v.initializer)
        with control_dependencies([v.assign(5.0)]):
            failing = check(v.as_tensor() < 0.0, "v is not negative")
        return [attempt(lambda: session.run(failing)), session.run(v)]
