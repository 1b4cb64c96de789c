"""What can be given to a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph import Graph
from gradion.graph.build import constant, placeholder, variable
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt, refused


@case
class NumbersListsAndArrays(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, (2, 2))
        z = x * y
        return [
            session.run(z, {x: 2.0, y: [[1, 2], [3, 4]]}),
            session.run(z, {x: np.float32(0.5), y: np.eye(2)}),
            session.run(z, {x: np.array(3), y: ((1.0, 2), (3, 4))}),
        ]

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64"), placeholder("float64", (2, 2))
        z = x * y
        return [
            session.run(z, {x: 2.0, y: [[1, 2], [3, 4]]}),
            session.run(z, {x: np.float32(0.5), y: np.eye(2)}),
            session.run(z, {x: np.array(3), y: ((1.0, 2), (3, 4))}),
        ]


@case
class AnUnfedPlaceholder(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        return session.run(x + y, {x: 1.0})

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64"), placeholder("float64")
        return session.run(x + y, {x: 1.0})


@case
class ConstantsAndReadsCanBeFed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        c = tf.constant(1.0, tf.float64)
        read = tf.Variable(2.0, dtype=tf.float64).read_value()
        return session.run([c + read, c, read], {c: 10.0, read: 20.0})

    def gradion(self, session: Session) -> Any:
        c = constant(1.0, dtype="float64")
        read = variable(np.float64(2.0)).as_tensor()
        return session.run([c + read, c, read], {c: 10.0, read: 20.0})


@case
class KeysCanBeNames(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (), name="x")
        return session.run(x * 2.0, {"x:0": 4.0})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", name="x")
        return session.run(x * 2.0, {"x:0": 4.0})


@case(
    differs="a name that is no tensor's is an InputError (ValueError), in fetches and feeds alike",
    ours=[
        {"raises": "ValueError"},
        {"raises": "ValueError"},
        {"raises": "TypeError"},
        {"raises": "TypeError"},
    ],
)
class KeysThatAreNoTensors(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        y = tf.placeholder(tf.float64, (), name="x") * 2.0
        keys = ("z:0", "x", y.op, 3)
        return [attempt(lambda key=key: session.run(y, {key: 1.0})) for key in keys]

    def gradion(self, session: Session) -> Any:
        y = placeholder("float64", name="x") * 2.0
        keys = ("z:0", "x", y.operation, 3)
        return [attempt(lambda key=key: session.run(y, {key: 1.0})) for key in keys]


@case
class WrongShapes(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2, 3))
        given = (np.ones(3), np.ones((3, 2)), 1.0, np.ones((2, 3, 1)))
        return [attempt(lambda value=value: session.run(x, {x: value})) for value in given]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2, 3))
        given = (np.ones(3), np.ones((3, 2)), 1.0, np.ones((2, 3, 1)))
        return [attempt(lambda value=value: session.run(x, {x: value})) for value in given]


@case
class AWrongShapeIsSeenBeforeAnythingRuns(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        counter = tf.Variable(0, dtype=tf.int32)
        count = counter.assign_add(1)
        session.run(counter.initializer)
        return [attempt(lambda: session.run([count, x], {x: [1.0]})), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        counter = variable(np.int32(0))
        count = counter.assign_add(1)
        session.run(counter.initializer)
        return [attempt(lambda: session.run([count, x], {x: [1.0]})), session.run(counter)]


@case
class UnknownSizesTakeAnySize(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 2))
        y = tf.reduce_sum(x * 2.0, axis=0)
        outcomes = [session.run(y, {x: np.ones((n, 2))}) for n in (1, 3)]
        return [*outcomes, attempt(lambda: session.run(y, {x: np.ones((2, 3))}))]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (None, 2))
        y = np.sum(x * 2.0, axis=0)
        outcomes = [session.run(y, {x: np.ones((n, 2))}) for n in (1, 3)]
        return [*outcomes, attempt(lambda: session.run(y, {x: np.ones((2, 3))}))]


@case(
    differs="unknown sizes are at least 1, which the compiled program of a size rests on",
    ours={"raises": "ValueError"},
)
class AnUnknownSizeOfNone(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (None, 2))
        return session.run(x * 2.0, {x: np.ones((0, 2))})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (None, 2))
        return session.run(x * 2.0, {x: np.ones((0, 2))})


@case
class ASizeOfNoneThatIsKnown(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (0, 2))
        return session.run([x * 2.0, tf.reduce_sum(x, axis=0)], {x: np.ones((0, 2))})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (0, 2))
        return session.run([x * 2.0, np.sum(x, axis=0)], {x: np.ones((0, 2))})


@case
class WholeNumbersBecomeFloats(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        y = tf.placeholder(tf.float32, ())
        return session.run([x + 0.5, y], {x: np.array([1, 2]), y: True})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        y = placeholder("float32")
        return session.run([x + 0.5, y], {x: np.array([1, 2]), y: True})


@case(
    differs="nothing is cut off in silence: a conversion is within a kind of numbers",
    ours={"raises": "TypeError"},
)
class FloatsForWholeNumbers(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.int32, (2,))
        return session.run(x + 1, {x: np.array([1.7, -2.7])})

    def gradion(self, session: Session) -> Any:
        x = placeholder("int32", (2,))
        return session.run(x + 1, {x: np.array([1.7, -2.7])})


@case
class ANumberTooLargeForItsType(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.int32, ())
        return session.run(x + 1, {x: 2**40})

    def gradion(self, session: Session) -> Any:
        x = placeholder("int32")
        return session.run(x + 1, {x: 2**40})


@case
class TextAndRaggedListsAreNoNumbers(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        given = (["a", "b"], [[1.0], [1.0, 2.0]], "ab")
        return [refused(lambda value=value: session.run(x, {x: value})) for value in given]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        given = (["a", "b"], [[1.0], [1.0, 2.0]], "ab")
        return [refused(lambda value=value: session.run(x, {x: value})) for value in given]


@case
class ATensorIsNoValue(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, c = tf.placeholder(tf.float64, ()), tf.constant(1.0, tf.float64)
        return session.run(x, {x: c})

    def gradion(self, session: Session) -> Any:
        x, c = placeholder("float64"), constant(1.0, dtype="float64")
        return session.run(x, {x: c})


@case
class AKeyOfAnotherGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default():
            foreign = tf.placeholder(tf.float64, ())
        return session.run(tf.constant(1.0), {foreign: 1.0})

    def gradion(self, session: Session) -> Any:
        with Graph():
            foreign = placeholder("float64")
        return session.run(constant(1.0), {foreign: 1.0})


@case
class AFeedThatIsNotNeeded(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, (2,))
        outcomes = [session.run(x, {x: 1.0, y: [1.0, 2.0]})]
        return [*outcomes, attempt(lambda: session.run(x, {x: 1.0, y: 3.0}))]

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64"), placeholder("float64", (2,))
        outcomes = [session.run(x, {x: 1.0, y: [1.0, 2.0]})]
        return [*outcomes, attempt(lambda: session.run(x, {x: 1.0, y: 3.0}))]


@case
class OneResultOfSeveralIsFed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (4,))
        first, second = tf.split(x, 2)
        return session.run([first + 0.0, second + 0.0], {x: [1, 2, 3, 4], first: [7, 8]})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (4,))
        first, second = np.split(x, 2)
        return session.run([first + 0.0, second + 0.0], {x: [1, 2, 3, 4], first: [7, 8]})


@case
class BooleansAndWholeNumbers(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        b, n = tf.placeholder(tf.bool, (2,)), tf.placeholder(tf.uint8, (2,))
        y = tf.where(b, n, n + tf.constant(1, tf.uint8))
        return session.run(y, {b: [True, False], n: [3, 255]})

    def gradion(self, session: Session) -> Any:
        b, n = placeholder("bool", (2,)), placeholder("uint8", (2,))
        y = np.where(b, n, n + np.uint8(1))
        return session.run(y, {b: [True, False], n: [3, 255]})


@case(
    differs="a variable is no tensor: restore a value, or feed the tensor that reads it",
    ours={"raises": "TypeError"},
)
class AVariableAsAKey(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        return session.run(v, {v: 5.0})

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        return session.run(v, {v: 5.0})


@case
class AConstantIsADefault(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder_with_default(tf.constant(2.0, tf.float64), ())
        return [session.run(x * 3.0), session.run(x * 3.0, {x: 5.0})]

    def gradion(self, session: Session) -> Any:
        x = constant(2.0, dtype="float64")
        return [session.run(x * 3.0), session.run(x * 3.0, {x: 5.0})]


@case
class AWrongShapeForAnIntermediate(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        y = tf.placeholder(tf.float64, (2,)) * 2.0
        return session.run(y + 1.0, {y: [1.0, 2.0, 3.0]})

    def gradion(self, session: Session) -> Any:
        y = placeholder("float64", (2,)) * 2.0
        return session.run(y + 1.0, {y: [1.0, 2.0, 3.0]})
