"""What runs and what does not: pruning to what is needed, control dependencies."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph import Graph
from gradion.graph.build import (
    check,
    constant,
    control_dependencies,
    group,
    identity,
    placeholder,
    variable,
)
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt


@case
class AFailingCheckThatNobodyNeeds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        tf.Assert(x > 10.0, [x])
        return session.run(x + 1.0, {x: 1.0})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        check(x > 10.0, "x is small")
        return session.run(x + 1.0, {x: 1.0})


@case
class APlaceholderThatNobodyNeeds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        both = x + y
        return [session.run(x * 2.0, {x: 1.0}), session.run(both * 2.0, {both: 3.0})]

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64"), placeholder("float64")
        both = x + y
        return [session.run(x * 2.0, {x: 1.0}), session.run(both * 2.0, {both: 3.0})]


@case
class AVariableThatNobodyNeeds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        x = tf.constant(2.0, tf.float64)
        y = x * v
        return [session.run(x), attempt(lambda: session.run(y)), session.run(y + 1.0, {y: 5.0})]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        x = constant(2.0, dtype="float64")
        y = x * v
        return [session.run(x), attempt(lambda: session.run(y)), session.run(y + 1.0, {y: 5.0})]


@case
class FeedingCutsWhatAProducerWaitedFor(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        with tf.control_dependencies([counter.assign_add(1)]):
            x = tf.constant(1.0, tf.float64) * 2.0
        y = x + 1.0
        outcomes = [session.run(y), session.run(counter)]
        return [*outcomes, session.run(y, {x: 5.0}), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        with control_dependencies([counter.assign_add(1)]):
            x = constant(1.0, dtype="float64") * 2.0
        y = x + 1.0
        outcomes = [session.run(y), session.run(counter)]
        return [*outcomes, session.run(y, {x: 5.0}), session.run(counter)]


@case
class AFedTensorWhoseOperationIsStillNeeded(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        count = counter.assign_add(1)
        with tf.control_dependencies([count]):
            y = tf.identity(tf.constant(1.0, tf.float64))
        # The value of the count is fed, yet y waits for the operation that counts.
        return [session.run([count, y], {count: 7}), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        count = counter.assign_add(1)
        with control_dependencies([count]):
            y = identity(constant(1.0, dtype="float64"))
        return [session.run([count, y], {count: 7}), session.run(counter)]


@case
class FetchingWhatIsFedRunsNothing(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        with tf.control_dependencies([counter.assign_add(1)]):
            x = tf.identity(tf.constant(1.0, tf.float64))
        return [session.run(x, {x: 4.0}), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        with control_dependencies([counter.assign_add(1)]):
            x = identity(constant(1.0, dtype="float64"))
        return [session.run(x, {x: 4.0}), session.run(counter)]


@case
class ADependencyRunsOnceARun(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        with tf.control_dependencies([counter.assign_add(1)]):
            a = tf.constant(1.0, tf.float64) + 1.0
            b = a * 3.0
        with tf.control_dependencies([a, b]):
            c = a + b
        first = session.run([a, b, c])
        return [first, session.run(counter), session.run(c), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        with control_dependencies([counter.assign_add(1)]):
            a = constant(1.0, dtype="float64") + 1.0
            b = a * 3.0
        with control_dependencies([a, b]):
            c = a + b
        first = session.run([a, b, c])
        return [first, session.run(counter), session.run(c), session.run(counter)]


@case
class DependenciesOrderReadsAndAssignments(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        session.run(v.initializer)
        before = v.read_value()
        with tf.control_dependencies([before]):
            assigned = v.assign(before * 10.0, read_value=False)
        with tf.control_dependencies([assigned]):
            after = v.read_value()
        return session.run([before, after]), session.run(before), session.run(after)

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        session.run(v.initializer)
        before = v.as_tensor()
        with control_dependencies([before]):
            assigned = v.assign(before * 10.0)
        with control_dependencies([assigned]):
            after = v.as_tensor()
        return session.run([before, after]), session.run(before), session.run(after)


@case
class NestedDependenciesAddUp(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        first, second = (tf.Variable(0, dtype=tf.int32) for _ in range(2))
        session.run([first.initializer, second.initializer])
        with (
            tf.control_dependencies([first.assign_add(1)]),
            tf.control_dependencies([second.assign_add(10)]),
        ):
            x = tf.identity(tf.constant(1.0, tf.float64))
        return [session.run(x), session.run([first, second])]

    def gradion(self, session: Session) -> Any:
        first, second = (variable(np.int32(0)) for _ in range(2))
        session.run([first.initializer, second.initializer])
        with (
            control_dependencies([first.assign_add(1)]),
            control_dependencies([second.assign_add(10)]),
        ):
            x = identity(constant(1.0, dtype="float64"))
        return [session.run(x), session.run([first, second])]


@case
class OnlyWhatIsMadeInsideWaits(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        made_before = tf.constant(1.0, tf.float64) + 1.0
        with tf.control_dependencies([counter.assign_add(1)]):
            same = made_before
            other = tf.identity(made_before)
        outcomes = [session.run(same), session.run(counter)]
        return [*outcomes, session.run(other), session.run(counter)]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        made_before = constant(1.0, dtype="float64") + 1.0
        with control_dependencies([counter.assign_add(1)]):
            same = made_before
            other = identity(made_before)
        outcomes = [session.run(same), session.run(counter)]
        return [*outcomes, session.run(other), session.run(counter)]


@case
class AGroupRunsAllOfIt(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        first, second = (tf.Variable(0, dtype=tf.int32) for _ in range(2))
        session.run([first.initializer, second.initializer])
        both = tf.group(first.assign_add(1), tf.group(second.assign_add(10)))
        return [session.run(both), session.run(tf.group()), session.run([first, second])]

    def gradion(self, session: Session) -> Any:
        first, second = (variable(np.int32(0)) for _ in range(2))
        session.run([first.initializer, second.initializer])
        both = group([first.assign_add(1), group([second.assign_add(10)])])
        return [session.run(both), session.run(group()), session.run([first, second])]


@case
class WaitingForSomethingUnfed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        with tf.control_dependencies([x]):
            y = tf.constant(1.0, tf.float64) + 1.0
        return [attempt(lambda: session.run(y)), session.run(y, {x: 2.0})]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        with control_dependencies([x]):
            y = constant(1.0, dtype="float64") + 1.0
        return [attempt(lambda: session.run(y)), session.run(y, {x: 2.0})]


@case
class ADependencyOfAnotherGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default():
            foreign = tf.constant(1.0)
        with tf.control_dependencies([foreign]):
            return session.run(tf.constant(2.0, tf.float64) + 1.0)

    def gradion(self, session: Session) -> Any:
        with Graph():
            foreign = constant(1.0)
        with control_dependencies([foreign]):
            return session.run(constant(2.0, dtype="float64") + 1.0)


@case
class AConstantWaitsToo(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        counter = tf.Variable(0, dtype=tf.int32)
        session.run(counter.initializer)
        with tf.control_dependencies([counter.assign_add(1)]):
            c = tf.constant(1.0, tf.float64)
            x = tf.placeholder(tf.float64, ())
        return [
            session.run(c),
            session.run(counter),
            session.run(x, {x: 1.0}),
            session.run(counter),
        ]

    def gradion(self, session: Session) -> Any:
        counter = variable(np.int32(0))
        session.run(counter.initializer)
        with control_dependencies([counter.assign_add(1)]):
            c = constant(1.0, dtype="float64")
            x = placeholder("float64")
        return [
            session.run(c),
            session.run(counter),
            session.run(x, {x: 1.0}),
            session.run(counter),
        ]


@case
class AReadDoesNotNeedTheAssignmentBeforeIt(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        session.run(v.initializer)
        v.assign(100.0)
        read = v.read_value()
        return [session.run(read), session.run(read * 2.0)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        session.run(v.initializer)
        v.assign(100.0)
        read = v.as_tensor()
        return [session.run(read), session.run(read * 2.0)]


@case
class ACheckBetweenTwoSteps(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        v = tf.Variable(0.0, dtype=tf.float64)
        session.run(v.initializer)
        with tf.control_dependencies([tf.debugging.Assert(x > 0.0, [x])]):
            step = v.assign_add(x)
        outcomes = [attempt(lambda value=value: session.run(step, {x: value})) for value in (1, -1)]
        return [*outcomes, session.run(v)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        v = variable(np.float64(0.0))
        session.run(v.initializer)
        with control_dependencies([check(x > 0.0, "x is not positive")]):
            step = v.assign_add(x)
        outcomes = [attempt(lambda value=value: session.run(step, {x: value})) for value in (1, -1)]
        return [*outcomes, session.run(v)]


@case
class AGroupThatIsWaitedFor(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        session.run(v.initializer)
        with tf.control_dependencies([tf.group(v.assign(3.0), name="all")]):
            after = v.read_value() * 2.0
        return [session.run(after), session.run("all"), session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        session.run(v.initializer)
        with control_dependencies([group([v.assign(3.0)], name="all")]):
            after = v.as_tensor() * 2.0
        return [session.run(after), session.run("all"), session.run(v)]


@case
class BothAssignmentsOfAChain(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v, w = tf.Variable(1.0, dtype=tf.float64), tf.Variable(10.0, dtype=tf.float64)
        session.run([v.initializer, w.initializer])
        with tf.control_dependencies([v.assign_add(1.0)]):
            set_w = w.assign(v.read_value() * 5.0, read_value=False)
        with tf.control_dependencies([set_w]):
            last = v.assign(w.read_value() + 0.5)
        return [session.run(last), session.run([v, w])]

    def gradion(self, session: Session) -> Any:
        v, w = variable(np.float64(1.0)), variable(np.float64(10.0))
        session.run([v.initializer, w.initializer])
        with control_dependencies([v.assign_add(1.0)]):
            set_w = w.assign(v.as_tensor() * 5.0)
        with control_dependencies([set_w]):
            last = v.assign(w.as_tensor() + 0.5)
        return [session.run(last), session.run([v, w])]
