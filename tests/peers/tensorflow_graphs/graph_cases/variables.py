"""Values that outlive a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph.build import (
    constant,
    control_dependencies,
    graph_variables,
    initialize_all,
    name_scope,
    placeholder,
    variable,
)
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt, refused


@case
class ReadBeforeItIsInitialised(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        count = v.assign_add(1.0)
        return [attempt(lambda f=f: session.run(f)) for f in (v * 2.0, count)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        count = v.assign_add(1.0)
        return [attempt(lambda f=f: session.run(f)) for f in (v * 2.0, count)]


@case
class AnAssignmentInitialises(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        return [session.run(v.assign(5.0)), session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        return [session.run(v.assign(5.0)), session.run(v)]


@case
class AllAtOnce(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        n = tf.Variable(3, dtype=tf.int64)
        flag = tf.Variable(True)
        nothing = session.run(tf.global_variables_initializer())
        return [nothing, session.run([v, n, flag])]

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        n = variable(np.int64(3))
        flag = variable(np.True_)
        nothing = session.run(initialize_all())
        return [nothing, session.run([v, n, flag])]


@case
class OneInitialiserAlone(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v, w = tf.Variable(1.0, dtype=tf.float64), tf.Variable(2.0, dtype=tf.float64)
        session.run(v.initializer)
        return [session.run(v), attempt(lambda: session.run(w))]

    def gradion(self, session: Session) -> Any:
        v, w = variable(np.float64(1.0)), variable(np.float64(2.0))
        session.run(v.initializer)
        return [session.run(v), attempt(lambda: session.run(w))]


@case
class AnInitialValueThatIsComputed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(tf.constant([3.0, 4.0], tf.float64) * 2.0)
        w = tf.Variable(lambda: tf.ones((2,), tf.float64) * 7.0)
        session.run(tf.global_variables_initializer())
        return session.run([v, w])

    def gradion(self, session: Session) -> Any:
        import jax.numpy as jnp

        v = variable(constant([3.0, 4.0], dtype="float64") * 2.0)
        w = variable(lambda: jnp.ones(2) * 7.0)
        session.run(initialize_all())
        return session.run([v, w])


@case
class AnInitialValueThatIsFed(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        v = tf.Variable(x * 2.0)
        outcomes = [attempt(lambda: session.run(v.initializer))]
        session.run(v.initializer, {x: [1.0, 2.0]})
        return [*outcomes, session.run(v)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        v = variable(x * 2.0)
        outcomes = [attempt(lambda: session.run(v.initializer))]
        session.run(v.initializer, {x: [1.0, 2.0]})
        return [*outcomes, session.run(v)]


@case
class AnInitialValueFromAnotherVariable(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(3.0, dtype=tf.float64)
        w = tf.Variable(v.initial_value * 2.0)
        session.run(tf.global_variables_initializer())
        return session.run([v, w])

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(3.0))
        w = variable(v * 2.0)
        session.run(initialize_all())
        return session.run([v, w])


@case
class AssignmentsGiveTheNewValue(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        session.run(v.initializer)
        steps = [v.assign([5.0, 6.0]), v.assign_add([1.0, 1.0]), v.assign_sub([0.5, 3.0])]
        return [session.run(step) for step in steps], session.run(v)

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        session.run(v.initializer)
        steps = [v.assign([5.0, 6.0]), v.assign_add([1.0, 1.0]), v.assign_sub([0.5, 3.0])]
        return [session.run(step) for step in steps], session.run(v)


@case
class TheInitialiserSetsBack(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        step = v.assign_add(1.0)
        session.run(v.initializer)
        outcomes = [session.run(step), session.run(step)]
        session.run(v.initializer)
        return [*outcomes, session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        step = v.assign_add(1.0)
        session.run(v.initializer)
        outcomes = [session.run(step), session.run(step)]
        session.run(v.initializer)
        return [*outcomes, session.run(v)]


@case
class EachSessionHasItsOwnValues(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        step = v.assign_add(1.0)
        session.run(v.initializer)
        with tf.Session(graph=session.graph) as other:
            outcomes = [attempt(lambda: other.run(v))]
            other.run(v.initializer)
            return [*outcomes, session.run(step), session.run(step), other.run(step)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        step = v.assign_add(1.0)
        session.run(v.initializer)
        with Session(graph=session.graph) as other:
            outcomes = [attempt(lambda: other.run(v))]
            other.run(v.initializer)
            return [*outcomes, session.run(step), session.run(step), other.run(step)]


@case
class TwoStepsInOneRun(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        session.run(v.initializer)
        first = v.assign(v * 3.0)
        with tf.control_dependencies([first]):
            second = v.assign(v + 1.0)
        return [session.run(second), session.run(v), session.run(first), session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        session.run(v.initializer)
        first = v.assign(v * 3.0)
        with control_dependencies([first]):
            second = v.assign(v + 1.0)
        return [session.run(second), session.run(v), session.run(first), session.run(v)]


@case
class ValuesAreSwappedThroughReads(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v, w = tf.Variable(1.0, dtype=tf.float64), tf.Variable(2.0, dtype=tf.float64)
        session.run([v.initializer, w.initializer])
        old_v, old_w = v.read_value(), w.read_value()
        with tf.control_dependencies([old_v, old_w]):
            swap = [v.assign(old_w), w.assign(old_v)]
        session.run(swap)
        return session.run([v, w])

    def gradion(self, session: Session) -> Any:
        v, w = variable(np.float64(1.0)), variable(np.float64(2.0))
        session.run([v.initializer, w.initializer])
        old_v, old_w = v.as_tensor(), w.as_tensor()
        with control_dependencies([old_v, old_w]):
            swap = [v.assign(old_w), w.assign(old_v)]
        session.run(swap)
        return session.run([v, w])


@case
class AWrongShapeIsRefused(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        given = (1.0, [1.0, 2.0, 3.0], [[1.0, 2.0]])
        return [attempt(lambda value=value: v.assign(value).name) for value in given]

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        given = (1.0, [1.0, 2.0, 3.0], [[1.0, 2.0]])
        return [attempt(lambda value=value: v.assign(value).name) for value in given]


@case(
    differs="assign_add broadcasts as v + x does; TensorFlow's wants the variable's own shape",
    ours={"float64[2]": [2.0, 3.0]},
)
class ANumberIsAddedToAllElements(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        session.run(v.initializer)
        return session.run(v.assign_add(1.0))

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        session.run(v.initializer)
        return session.run(v.assign_add(1.0))


@case
class AFloatForAWholeNumber(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1, dtype=tf.int32)
        return v.assign(1.5).name

    def gradion(self, session: Session) -> Any:
        v = variable(np.int32(1))
        return v.assign(1.5).name


@case
class NamesOfVariables(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        first = tf.Variable(1.0, name="w")
        with tf.name_scope("layer"):
            second = tf.Variable(1.0, name="w")
        third = tf.Variable(1.0, name="w", trainable=False)
        names = [v.op.name for v in (first, second, third)]
        return [names, [v.op.name for v in tf.trainable_variables()]]

    def gradion(self, session: Session) -> Any:
        first = variable(1.0, name="w")
        with name_scope("layer"):
            second = variable(1.0, name="w")
        third = variable(1.0, name="w", trainable=False)
        names = [v.name for v in (first, second, third)]
        held = graph_variables(session.graph).values()
        return [names, [v.name for v in held if v.trainable]]


@case
class AResultIsACopy(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        session.run(v.initializer)
        held = session.run(v)
        session.run(v.assign_add([10.0, 10.0]))
        return [held, session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        session.run(v.initializer)
        held = session.run(v)
        session.run(v.assign_add([10.0, 10.0]))
        return [held, session.run(v)]


@case
class ValuesFromOutside(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64, name="v")
        v.load([5.0, 6.0], session)
        outcomes = [session.run(v), refused(lambda: v.load([1.0, 2.0, 3.0], session))]
        return [*outcomes, session.run(v)]

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]), name="v")
        session.restore({"v": [5.0, 6.0]})
        outcomes = [session.run(v), refused(lambda: session.restore({"v": [1.0, 2.0, 3.0]}))]
        return [*outcomes, session.run(v)]


@case
class AMovingAverage(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable([1.0, 2.0], dtype=tf.float64)
        average = tf.train.ExponentialMovingAverage(0.75)
        keep = average.apply([v])
        session.run(tf.global_variables_initializer())
        session.run(v.assign([9.0, 0.0]))
        session.run(keep)
        session.run(keep)
        return session.run(average.average(v))

    def gradion(self, session: Session) -> Any:
        v = variable(np.array([1.0, 2.0]))
        average = variable(np.array([1.0, 2.0]))
        keep = average.assign_sub((1.0 - 0.75) * (average - v))
        session.run(initialize_all())
        session.run(v.assign([9.0, 0.0]))
        session.run(keep)
        session.run(keep)
        return session.run(average)


@case
class AllAtOnceKnowsThoseOfBefore(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        v = tf.Variable(1.0, dtype=tf.float64)
        start = tf.global_variables_initializer()
        w = tf.Variable(2.0, dtype=tf.float64)
        session.run(start)
        return [session.run(v), attempt(lambda: session.run(w))]

    def gradion(self, session: Session) -> Any:
        v = variable(np.float64(1.0))
        start = initialize_all()
        w = variable(np.float64(2.0))
        session.run(start)
        return [session.run(v), attempt(lambda: session.run(w))]
