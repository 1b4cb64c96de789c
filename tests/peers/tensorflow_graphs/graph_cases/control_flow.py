"""Branches and loops."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.graph.build import apply, cond, constant, placeholder, while_loop
from gradion.graph.gradients import gradients
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt, refused

_STEPS = np.array([1.0, -0.5, 0.25])


@case
class TheBranchThatHolds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        y = tf.cond(tf.reduce_sum(x) > 0.0, lambda: x + 1.0, lambda: x * 10.0)
        return [session.run(y, {x: v}) for v in ([1.0, 2.0], [-1.0, -2.0])]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        y = cond(np.sum(x) > 0.0, lambda v: v + 1.0, lambda v: v * 10.0, x)
        return [session.run(y, {x: v}) for v in ([1.0, 2.0], [-1.0, -2.0])]


@case
class BranchesOfStructures(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.cond(x > 0.0, lambda: {"a": x, "b": (x, -x)}, lambda: {"a": -x, "b": (x, x)})
        return [session.run(y, {x: v}) for v in (1.0, -1.0)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = cond(x > 0.0, lambda v: {"a": v, "b": (v, -v)}, lambda v: {"a": -v, "b": (v, v)}, x)
        return [session.run(y, {x: v}) for v in (1.0, -1.0)]


@case
class NestedBranches(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.cond(
            x > 0.0,
            lambda: tf.cond(x > 5.0, lambda: x, lambda: x * x),
            lambda: tf.constant(0.0, x.dtype),
        )
        return [session.run(y, {x: v}) for v in (7.0, 3.0, -1.0)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = cond(
            x > 0.0,
            lambda v: lax.cond(v > 5.0, lambda v: v, lambda v: v * v, v),
            lambda v: jnp.zeros_like(v),
            x,
        )
        return [session.run(y, {x: v}) for v in (7.0, 3.0, -1.0)]


@case
class BranchesOfDifferentTypes(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        return refused(lambda: tf.cond(x > 0.0, lambda: x, lambda: tf.constant(1, tf.int32)).name)

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        return refused(lambda: cond(x > 0.0, lambda v: v, lambda v: jnp.int32(1), x).name)


@case
class BranchesOfDifferentStructures(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        return refused(lambda: tf.cond(x > 0.0, lambda: (x, x), lambda: (x,))[0].name)

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        return refused(lambda: cond(x > 0.0, lambda v: (v, v), lambda v: (v,), x)[0].name)


@case(
    differs="both branches have one type, known before the run; TensorFlow's shape is then unknown",
    ours={"raises": "TypeError"},
)
class BranchesOfDifferentShapes(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.cond(x > 0.0, lambda: x, lambda: tf.stack([x, x]))
        return session.run(y, {x: 1.0})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        return session.run(cond(x > 0.0, lambda v: v, lambda v: jnp.stack([v, v]), x), {x: 1.0})


@case
class AConditionOfManyElements(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        return refused(
            lambda: session.run(tf.cond(x > 0.0, lambda: x, lambda: -x), {x: [1.0, 1.0]})
        )

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        return refused(lambda: cond(x > 0.0, lambda v: v, lambda v: -v, x).name)


@case
class OneOfSeveralBranches(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        i, x = tf.placeholder(tf.int32, ()), tf.placeholder(tf.float64, ())
        y = tf.switch_case(i, [lambda: x, lambda: x * 10.0, lambda: x * 100.0])
        return [session.run(y, {i: k, x: 1.5}) for k in (0, 1, 2, 7)]

    def gradion(self, session: Session) -> Any:
        i, x = placeholder("int32"), placeholder("float64")
        branches = [lambda v: v, lambda v: v * 10.0, lambda v: v * 100.0]
        y = apply(lambda i, v: lax.switch(i, branches, v), i, x)
        return [session.run(y, {i: k, x: 1.5}) for k in (0, 1, 2, 7)]


@case
class ALoopRunsWhileItsConditionHolds(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.while_loop(lambda v: v < 100.0, lambda v: v * 3.0, (x,))
        return [session.run(y, {x: v}) for v in (1.0, 200.0)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = while_loop(lambda v: v < 100.0, lambda v: v * 3.0, x)
        return [session.run(y, {x: v}) for v in (1.0, 200.0)]


@case
class ALoopThatCarriesSeveralValues(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        n = tf.placeholder(tf.int32, ())
        start = (tf.constant(0), tf.constant([1.0, 1.0], tf.float64))
        y = tf.while_loop(
            lambda i, _: i < n, lambda i, v: (i + 1, tf.stack([v[1], v[0] + v[1]])), start
        )
        return [session.run(y, {n: k}) for k in (0, 10)]

    def gradion(self, session: Session) -> Any:
        n = placeholder("int32")
        start = (n, np.int32(0), np.array([1.0, 1.0]))
        y = while_loop(
            lambda s: s[1] < s[0],
            lambda s: (s[0], s[1] + 1, jnp.stack([s[2][1], s[2][0] + s[2][1]])),
            start,
        )
        return [session.run(y[1:], {n: k}) for k in (0, 10)]


@case
class ALoopInALoop(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        def inner(total: Any, i: Any) -> Any:
            return tf.while_loop(lambda t, j: j < i, lambda t, j: (t + j, j + 1), (total, 0))[0]

        start = (tf.constant(0), tf.constant(0))
        return session.run(
            tf.while_loop(lambda t, i: i < 6, lambda t, i: (inner(t, i), i + 1), start)
        )

    def gradion(self, session: Session) -> Any:
        def inner(total: Any, i: Any) -> Any:
            start = (total, jnp.int32(0))
            return lax.while_loop(lambda s: s[1] < i, lambda s: (s[0] + s[1], s[1] + 1), start)[0]

        start = (np.int32(0), np.int32(0))
        return session.run(while_loop(lambda s: s[1] < 6, lambda s: (inner(*s), s[1] + 1), start))


@case
class ALoopThatChangesItsShape(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant([1.0], tf.float64)
        return refused(
            lambda: (
                tf.while_loop(
                    lambda v: tf.size(v) < 5, lambda v: tf.concat([v, v], axis=0), (x,)
                ).name
            )
        )

    def gradion(self, session: Session) -> Any:
        x = constant([1.0], dtype="float64")
        return refused(
            lambda: while_loop(lambda v: v.size < 5, lambda v: jnp.concatenate([v, v]), x).name
        )


@case
class ALoopThatChangesItsType(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant(1, tf.int32)
        return tf.while_loop(lambda v: v < 5, lambda v: tf.cast(v, tf.float64), (x,)).name

    def gradion(self, session: Session) -> Any:
        x = constant(1, dtype="int32")
        return while_loop(lambda v: v < 5, lambda v: v.astype("float64"), x).name


@case
class AScan(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (4,))
        y = tf.scan(lambda total, v: total * 0.5 + v, x, tf.constant(0.0, tf.float64))
        return session.run(y, {x: [1.0, 2.0, 3.0, 4.0]})

    def gradion(self, session: Session) -> Any:
        def step(total: Any, v: Any) -> Any:
            return total * 0.5 + v, total * 0.5 + v

        x = placeholder("float64", (4,))
        y = apply(lambda v: lax.scan(step, jnp.zeros(()), v)[1], x)
        return session.run(y, {x: [1.0, 2.0, 3.0, 4.0]})


@case
class AMapOverTheFirstAxis(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (3, 2))
        y = tf.map_fn(lambda row: tf.reduce_sum(row) * row, x)
        return session.run(y, {x: np.arange(6.0).reshape(3, 2)})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (3, 2))
        y = apply(lambda x: lax.map(lambda row: row.sum() * row, x), x)
        return session.run(y, {x: np.arange(6.0).reshape(3, 2)})


@case
class TheFirstThatIsFoundByALoop(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (4,))
        found = tf.while_loop(
            lambda i: (i < 4) & (x[tf.minimum(i, 3)] <= 2.0), lambda i: i + 1, (0,)
        )
        return [session.run(found, {x: v}) for v in ([1.0, 2.0, 3.0, 9.0], [0.0] * 4)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (4,))
        found = apply(
            lambda x: lax.while_loop(
                lambda i: (i < 4) & (x[jnp.minimum(i, 3)] <= 2.0), lambda i: i + 1, jnp.int32(0)
            ),
            x,
        )
        return [session.run(found, {x: v}) for v in ([1.0, 2.0, 3.0, 9.0], [0.0] * 4)]


@case(
    differs="branches are pure functions of JAX: what they use is given to them as operands",
    ours=[{"raises": "TypeError"}, {"float64[]": 6.0}],
)
class AClosureOverATensor(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x, y = tf.placeholder(tf.float64, ()), tf.placeholder(tf.float64, ())
        chosen = attempt(lambda: tf.cond(x > 0.0, lambda: x * y, lambda: y).name)
        return [chosen, session.run(tf.cond(x > 0.0, lambda: x * y, lambda: y), {x: 2.0, y: 3.0})]

    def gradion(self, session: Session) -> Any:
        x, y = placeholder("float64"), placeholder("float64")
        chosen = attempt(lambda: cond(x > 0.0, lambda v: v * y, lambda v: v, x).name)
        both = cond(x > 0.0, lambda v, w: v * w, lambda v, w: w, x, y)
        return [chosen, session.run(both, {x: 2.0, y: 3.0})]


@case
class ALoopThatFillsAnArray(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        store = tf.TensorArray(tf.float64, size=4)
        _, store = tf.while_loop(
            lambda i, _: i < 4,
            lambda i, s: (i + 1, s.write(i, x * tf.cast(i, tf.float64))),
            (0, store),
        )
        filled = store.stack()
        return session.run([filled, *tf.gradients(filled, x)], {x: 1.5})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        filled = apply(
            lambda x: lax.fori_loop(0, 4, lambda i, s: s.at[i].set(x * i), jnp.zeros(4)), x
        )
        return session.run([filled, *gradients([filled], [x])], {x: 1.5})


@case
class DerivativesOfAScan(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (4,))
        y = tf.scan(lambda a, v: tf.sin(a) + v, x, tf.constant(0.0, tf.float64))
        return session.run(tf.gradients(y[-1], x), {x: [1.0, 2.0, 3.0, 4.0]})

    def gradion(self, session: Session) -> Any:
        def step(a: Any, v: Any) -> Any:
            return jnp.sin(a) + v, None

        x = placeholder("float64", (4,))
        last = apply(lambda v: lax.scan(step, jnp.zeros(()), v)[0], x)
        return session.run(gradients([last], [x]), {x: [1.0, 2.0, 3.0, 4.0]})


@case
class DerivativesTwiceThroughABranch(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, ())
        y = tf.cond(x > 1.0, lambda: x * x * x, lambda: tf.sin(x))
        (first,) = tf.gradients(y, x)
        return [session.run(tf.gradients(first, x), {x: v}) for v in (2.0, 0.5)]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64")
        y = cond(x > 1.0, lambda v: v * v * v, jnp.sin, x)
        (first,) = gradients([y], [x])
        return [session.run(gradients([first], [x]), {x: v}) for v in (2.0, 0.5)]


@case
class DerivativesOfOneOfSeveralBranches(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        i, x = tf.placeholder(tf.int32, ()), tf.placeholder(tf.float64, (2,))
        y = tf.switch_case(i, [lambda: tf.exp(x), lambda: x * x * x, lambda: x])
        found = tf.gradients(y, x)
        return [session.run(found, {i: k, x: [1.5, -2.0]}) for k in (0, 1, 2)]

    def gradion(self, session: Session) -> Any:
        i, x = placeholder("int32"), placeholder("float64", (2,))
        branches = [jnp.exp, lambda v: v * v * v, lambda v: v]
        y = apply(lambda i, v: lax.switch(i, branches, v), i, x)
        found = gradients([y], [x])
        return [session.run(found, {i: k, x: [1.5, -2.0]}) for k in (0, 1, 2)]


@case
class DerivativesTwiceThroughAScan(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        w = tf.placeholder(tf.float64, ())
        y = tf.scan(
            lambda a, v: tf.sin(a * w) + v, tf.constant(_STEPS), tf.constant(0.5, tf.float64)
        )
        (first,) = tf.gradients(y[-1], w)
        return session.run([first, *tf.gradients(first, w)], {w: 0.75})

    def gradion(self, session: Session) -> Any:
        def last(w: Any) -> Any:
            return lax.scan(lambda a, v: (jnp.sin(a * w) + v, None), jnp.array(0.5), _STEPS)[0]

        w = placeholder("float64")
        (first,) = gradients([apply(last, w)], [w])
        return session.run([first, *gradients([first], [w])], {w: 0.75})


@case
class ABranchInALoop(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        n = tf.placeholder(tf.int32, ())

        def halved(v: Any) -> Any:
            return tf.cond(tf.equal(v % 2, 0), lambda: v // 2, lambda: 3 * v + 1)

        steps = tf.while_loop(
            lambda v, _: tf.not_equal(v, 1), lambda v, k: (halved(v), k + 1), (n, tf.constant(0))
        )[1]
        return [session.run(steps, {n: k}) for k in (1, 6, 27)]

    def gradion(self, session: Session) -> Any:
        def halved(v: Any) -> Any:
            return lax.cond(v % 2 == 0, lambda v: v // 2, lambda v: 3 * v + 1, v)

        n = placeholder("int32")
        steps = while_loop(
            lambda s: s[0] != 1, lambda s: (halved(s[0]), s[1] + 1), (n, np.int32(0))
        )[1]
        return [session.run(steps, {n: k}) for k in (1, 6, 27)]
