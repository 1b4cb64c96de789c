"""What can be asked of a run, and the structure of what it gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradion.graph import Graph
from gradion.graph.build import constant, group, placeholder, variable
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt


class _Pair(NamedTuple):
    first: Any
    second: Any


@case
class OneTensorGivesAnArray(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return session.run(tf.constant([1.0, 2.0], tf.float64))

    def gradion(self, session: Session) -> Any:
        return session.run(constant([1.0, 2.0], dtype="float64"))


@case
class ANumberIsANumberOfNumpy(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        found = session.run([tf.constant(3, tf.int32), x * 2.0], {x: 1.0})
        return [type(item).__name__ for item in found]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        found = session.run([constant(3, dtype="int32"), x * 2.0], {x: 1.0})
        return [type(item).__name__ for item in found]


@case
class ListsAndTuplesAreKept(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.constant(1.0, tf.float64), tf.constant(2.0, tf.float64)
        return session.run([a, (b, [a]), [], ()])

    def gradion(self, session: Session) -> Any:
        a, b = constant(1.0, dtype="float64"), constant(2.0, dtype="float64")
        return session.run([a, (b, [a]), [], ()])


@case
class ADictKeepsItsKeysInOrder(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.constant(1.0, tf.float64), tf.constant(2.0, tf.float64)
        return session.run({"z": a, "a": {"deep": [b, a]}})

    def gradion(self, session: Session) -> Any:
        a, b = constant(1.0, dtype="float64"), constant(2.0, dtype="float64")
        return session.run({"z": a, "a": {"deep": [b, a]}})


@case
class ANamedtupleIsKept(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.constant(1.0, tf.float64), tf.constant(2.0, tf.float64)
        return session.run(_Pair(a, _Pair(b, (a,))))

    def gradion(self, session: Session) -> Any:
        a, b = constant(1.0, dtype="float64"), constant(2.0, dtype="float64")
        return session.run(_Pair(a, _Pair(b, (a,))))


@case
class AnOperationGivesNone(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a = tf.constant(1.0, tf.float64)
        return [session.run(a.op), session.run([a, tf.group(a), a.op])]

    def gradion(self, session: Session) -> Any:
        a = constant(1.0, dtype="float64")
        return [session.run(a.operation), session.run([a, group([a]), a.operation])]


@case
class NamesStandForTensorsAndOperations(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        tf.constant(1.0, tf.float64, name="a")
        return session.run({"tensor": "a:0", "operation": "a"})

    def gradion(self, session: Session) -> Any:
        constant(1.0, dtype="float64", name="a")
        return session.run({"tensor": "a:0", "operation": "a"})


@case
class ADuplicateIsComputedOnce(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        count = counter.assign_add(1, read_value=True)
        session.run(counter.initializer)
        return session.run([count, [count]]), session.run(counter)

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        count = counter.assign_add(1)
        session.run(counter.initializer)
        return session.run([count, [count]]), session.run(counter)


@case
class NothingGivesNothing(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        tf.constant(1.0)
        return [session.run([]), session.run({}), session.run(()), session.run([[], {}])]

    def gradion(self, session: Session) -> Any:
        constant(1.0)
        return [session.run([]), session.run({}), session.run(()), session.run([[], {}])]


@case
class NoneIsNoFetch(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a = tf.constant(1.0)
        return [attempt(lambda: session.run(None)), attempt(lambda: session.run([a, None]))]

    def gradion(self, session: Session) -> Any:
        a = constant(1.0)
        return [attempt(lambda: session.run(None)), attempt(lambda: session.run([a, None]))]


@case
class ANumberIsNoFetch(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return session.run([tf.constant(1.0), 2.0])

    def gradion(self, session: Session) -> Any:
        return session.run([constant(1.0), 2.0])


@case
class UnknownNames(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        tf.constant(1.0, name="a")
        return [attempt(lambda n=n: session.run(n)) for n in ("b:0", "b", "a:1", "a:x", "a:0:0")]

    def gradion(self, session: Session) -> Any:
        constant(1.0, name="a")
        return [attempt(lambda n=n: session.run(n)) for n in ("b:0", "b", "a:1", "a:x", "a:0:0")]


@case
class ATensorOfAnotherGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default():
            foreign = tf.constant(1.0)
        tf.constant(1.0)
        return session.run(foreign)

    def gradion(self, session: Session) -> Any:
        with Graph():
            foreign = constant(1.0)
        constant(1.0)
        return session.run(foreign)


@case
class AVariableGivesItsValue(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        session.run(v.initializer)
        return session.run({"v": v, "twice": v * 2.0})

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        session.run(v.initializer)
        return session.run({"v": v, "twice": v * 2.0})


@case
class AFedTensorGivesWhatWasFed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        y = x + 1.0
        return session.run([x, y], {x: [1, 2], y: [5, 6]})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        y = x + 1.0
        return session.run([x, y], {x: [1, 2], y: [5, 6]})


@case(
    differs="a graph without operations is a graph: nothing asked of it gives nothing",
    ours=[],
)
class TheWholeOfAnEmptyGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return session.run([])

    def gradion(self, session: Session) -> Any:
        return session.run([])


@case
class ASetIsNoFetch(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return session.run({tf.constant(1.0).op})

    def gradion(self, session: Session) -> Any:
        return session.run({constant(1.0).operation})


@case
class KeysOfADictCanBeNumbers(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64, name="v")
        session.run(v.initializer.name)
        return session.run({1: v, 2: (v,)}, None)

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]), name="v")
        session.run(v.initializer.name)
        return session.run({1: v, 2: (v,)}, None)
