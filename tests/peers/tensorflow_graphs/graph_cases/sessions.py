"""The life of a session and of its graph: callables, partial runs, closing, finalizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph import Graph
from gradion.graph.build import (
    constant,
    control_dependencies,
    current_graph,
    identity,
    name_scope,
    placeholder,
    variable,
)
from gradion.graph.session import InteractiveSession, Session, current_session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt, refused


@case
class ACallableOfPositionalFeeds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, (2,)), tf.placeholder(tf.float64, ())
        call = session.make_callable({"sum": x + y, "y": y}, [x, y])
        return [call([1.0, 2.0], 3.0), call(np.zeros(2), 1)]

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64", (2,)), placeholder("float64")
        call = session.make_callable({"sum": x + y, "y": y}, [x, y])
        return [call([1.0, 2.0], 3.0), call(np.zeros(2), 1)]


@case
class ACallableThatChangesAVariable(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v, x = tf.Variable(1.0, dtype=tf.float64), tf.placeholder(tf.float64, ())
        session.run(v.initializer)
        call = session.make_callable([v.assign_add(x), tf.group(x)], [x])
        return [call(2.0), call(3.0), session.run(v)]

    def gradion(self, session: Session) -> Any:
        v, x = variable(np.float64(1.0)), placeholder("float64")
        session.run(v.initializer)
        call = session.make_callable([v.assign_add(x), x.operation], [x])
        return [call(2.0), call(3.0), session.run(v)]


@case(
    differs="the number of arguments is checked before anything runs, as in a call of a function",
    ours={"raises": "TypeError"},
)
class ACallableWithTooFewFeeds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        return session.make_callable(x * 2.0, [x])()

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        return session.make_callable(x * 2.0, [x])()


@case
class APartialRun(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b, c = (tf.placeholder(tf.float64, ()) for _ in range(3))
        r1 = a + b
        r2 = r1 * c
        handle = session.partial_run_setup([r1, r2], [a, b, c])
        first = session.partial_run(handle, r1, {a: 1.0, b: 2.0})
        return [first, session.partial_run(handle, r2, {c: first * 10.0})]

    def gradion(self, session: Session) -> Any:
        a, b, c = (placeholder("float64") for _ in range(3))
        r1 = a + b
        r2 = r1 * c
        partial = session.partial_run([r1, r2], [a, b, c])
        first = partial.run(r1, {a: 1.0, b: 2.0})
        return [first, partial.run(r2, {c: first * 10.0})]


@case
class APartialRunGivesAResultOnce(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        r1, r2 = a * 2.0, b * 3.0
        handle = session.partial_run_setup([r1, r2], [a, b])
        session.partial_run(handle, r1, {a: 1.0})
        again = refused(lambda: session.partial_run(handle, r1))
        return [again, refused(lambda: session.partial_run(handle, r2, {a: 1.0, b: 1.0}))]

    def gradion(self, session: Session) -> Any:
        a, b = placeholder("float64"), placeholder("float64")
        r1, r2 = a * 2.0, b * 3.0
        partial = session.partial_run([r1, r2], [a, b])
        partial.run(r1, {a: 1.0})
        again = refused(lambda: partial.run(r1))
        return [again, refused(lambda: partial.run(r2, {a: 1.0, b: 1.0}))]


@case
class APartialRunOfWhatWasNotSaid(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        handle = session.partial_run_setup([a * 2.0], [a])
        return refused(lambda: session.partial_run(handle, b * 3.0, {a: 1.0}))

    def gradion(self, session: Session) -> Any:
        a, b = placeholder("float64"), placeholder("float64")
        partial = session.partial_run([a * 2.0], [a])
        return refused(lambda: partial.run(b * 3.0, {a: 1.0}))


@case
class APartialRunCountsOnce(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        x = tf.placeholder(tf.int32, ())
        count = counter.assign_add(1)
        more = count + x
        handle = session.partial_run_setup([count, more], [x])
        first = session.partial_run(handle, count)
        return [first, session.partial_run(handle, more, {x: 10}), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        x = placeholder("int32")
        count = counter.assign_add(1)
        more = count + x
        partial = session.partial_run([count, more], [x])
        first = partial.run(count)
        return [first, partial.run(more, {x: 10}), session.run(counter)]


@case
class TheGraphGrowsBetweenRuns(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = x * 2.0
        first = session.run(y, {x: 1.0})
        z = y + 1.0
        return [first, session.run([y, z], {x: 1.0})]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = x * 2.0
        first = session.run(y, {x: 1.0})
        z = y + 1.0
        return [first, session.run([y, z], {x: 1.0})]


@case
class AFinalizedGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant(1.0, tf.float64)
        session.graph.finalize()
        return [attempt(lambda: (x + 1.0).name), session.run(x), session.graph.finalized]

    def gradion(self, session: Session) -> Any:
        x = constant(1.0, dtype="float64")
        session.graph.finalize()
        return [attempt(lambda: (x + 1.0).name), session.run(x), session.graph.finalized]


@case
class AClosedSession(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant(1.0, tf.float64)
        other = tf.Session(graph=session.graph)
        outcomes = [other.run(x), other.close(), attempt(lambda: other.run(x))]
        return [*outcomes, other.close(), attempt(lambda: other.make_callable(x)())]

    def gradion(self, session: Session) -> Any:
        x = constant(1.0, dtype="float64")
        other = Session(graph=session.graph)
        outcomes = [other.run(x), other.close(), attempt(lambda: other.run(x))]
        return [*outcomes, other.close(), attempt(lambda: other.make_callable(x)())]


@case
class ASessionIsClosedByItsBlock(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant(1.0, tf.float64)
        with tf.Session(graph=session.graph) as other:
            inside = other.run(x)
        return [inside, attempt(lambda: other.run(x))]

    def gradion(self, session: Session) -> Any:
        x = constant(1.0, dtype="float64")
        with Session(graph=session.graph) as other:
            inside = other.run(x)
        return [inside, attempt(lambda: other.run(x))]


@case
class WithoutAGraphItTakesTheCurrentOne(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default() as graph, tf.Session() as other:
            y = tf.constant(1.0, tf.float64) + 1.0
            return [other.run(y), other.graph is graph, tf.get_default_graph() is graph]

    def gradion(self, session: Session) -> Any:
        with Graph() as graph, Session() as other:
            y = constant(1.0, dtype="float64") + 1.0
            return [other.run(y), other.graph is graph, current_graph() is graph]


@case
class AFailedRunLeavesTheSessionUsable(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = x * 2.0
        return [attempt(lambda: session.run(y)), session.run(y, {x: 2.0})]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = x * 2.0
        return [attempt(lambda: session.run(y)), session.run(y, {x: 2.0})]


@case(
    differs="an unknown target is an InputError (ValueError) that names the near ones",
    ours={"raises": "ValueError"},
)
class AnUnknownTarget(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return tf.Session("nonsense://nowhere", graph=session.graph).close()

    def gradion(self, session: Session) -> Any:
        return Session("nonsense://nowhere", graph=session.graph).close()


@case
class TensorsOfTwoGraphsDoNotMix(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default():
            foreign = tf.constant(1.0, tf.float64)
        return (tf.constant(1.0, tf.float64) + foreign).name

    def gradion(self, session: Session) -> Any:
        with Graph():
            foreign = constant(1.0, dtype="float64")
        return (constant(1.0, dtype="float64") + foreign).name


@case
class ManySizesOneGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, w = tf.placeholder(tf.float64, (None, 3)), tf.placeholder(tf.float64, (3, 2))
        y = tf.reduce_mean(tf.matmul(x, w), axis=0)
        weights = np.arange(6.0).reshape(3, 2)
        return [session.run(y, {x: np.full((n, 3), n), w: weights}) for n in (1, 2, 4)]

    def gradion(self, session: Session) -> Any:
        x, w = placeholder("float64", (None, 3)), placeholder("float64", (3, 2))
        y = np.mean(x @ w, axis=0)
        weights = np.arange(6.0).reshape(3, 2)
        return [session.run(y, {x: np.full((n, 3), n), w: weights}) for n in (1, 2, 4)]


@case
class TheCurrentSession(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        outcomes = [tf.get_default_session() is session]
        with tf.Session(graph=session.graph) as other:
            outcomes.append(tf.get_default_session() is other)
        return [*outcomes, tf.get_default_session() is session]

    def gradion(self, session: Session) -> Any:
        outcomes = [current_session() is session]
        with Session(graph=session.graph) as other:
            outcomes.append(current_session() is other)
        return [*outcomes, current_session() is session]


@case
class AnInteractiveSession(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        other = tf.InteractiveSession(graph=tf.Graph())
        y = tf.constant(2.0, tf.float64) * 3.0
        outcomes = [other.run(y), tf.get_default_session() is other, y.graph is other.graph]
        other.close()
        return [*outcomes, tf.get_default_session() is session]

    def gradion(self, session: Session) -> Any:
        other = InteractiveSession(graph=Graph())
        y = constant(2.0, dtype="float64") * 3.0
        outcomes = [other.run(y), current_session() is other, y.graph is other.graph]
        other.close()
        return [*outcomes, current_session() is session]


@case
class ASessionInsideAScope(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.name_scope("a"), tf.Session(graph=session.graph) as other:
            c = tf.constant(1.0, tf.float64, name="c")
            return [c.op.name, other.run(c)]

    def gradion(self, session: Session) -> Any:
        with name_scope("a"), Session(graph=session.graph) as other:
            c = constant(1.0, dtype="float64", name="c")
            return [c.operation.name, other.run(c)]


@case
class ASessionInsideDependencies(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        with (
            tf.control_dependencies([counter.assign_add(1)]),
            tf.Session(graph=session.graph) as other,
        ):
            x = tf.identity(tf.constant(1.0, tf.float64))
            other.run(counter.initializer)
            return [other.run(x), other.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        with (
            control_dependencies([counter.assign_add(1)]),
            Session(graph=session.graph) as other,
        ):
            x = identity(constant(1.0, dtype="float64"))
            other.run(counter.initializer)
            return [other.run(x), other.run(counter)]


@case
class TheProcessorIsADevice(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return session.list_devices()[0].device_type.lower()

    def gradion(self, session: Session) -> Any:
        return session.list_devices()[0].platform


@case
class APartialRunOfAnIntermediate(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        h = a * 2.0
        y = h + b
        handle = session.partial_run_setup([h, y], [a, b])
        first = session.partial_run(handle, h, {a: 3.0})
        return [first, session.partial_run(handle, [y], {b: 0.5})]

    def gradion(self, session: Session) -> Any:
        a, b = placeholder("float64"), placeholder("float64")
        h = a * 2.0
        y = h + b
        partial = session.partial_run([h, y], [a, b])
        first = partial.run(h, {a: 3.0})
        return [first, partial.run([y], {b: 0.5})]


@case
class APartialRunThatLacksAFeed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        a, b = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        y = a + b
        handle = session.partial_run_setup([y], [a, b])
        return refused(lambda: session.partial_run(handle, y, {a: 1.0}))

    def gradion(self, session: Session) -> Any:
        a, b = placeholder("float64"), placeholder("float64")
        y = a + b
        partial = session.partial_run([y], [a, b])
        return refused(lambda: partial.run(y, {a: 1.0}))
