"""Names of operations and of tensors, and finding by them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph import array
from gradion.graph.build import apply, constant, identity, name_scope, placeholder
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt, refused


@case
class ANameThatIsTakenGetsANumber(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        made = [tf.constant(1.0, name=name) for name in ("c", "c", "c_1", "c")]
        return [tensor.op.name for tensor in made]

    def gradion(self, session: Session) -> Any:
        made = [constant(1.0, name=name) for name in ("c", "c", "c_1", "c")]
        return [tensor.operation.name for tensor in made]


@case
class ATensorIsNamedAfterItsOperation(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return tf.placeholder(tf.float64, (), name="x").name

    def gradion(self, session: Session) -> Any:
        return placeholder("float64", name="x").name


@case
class ScopesNest(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.name_scope("a") as outer, tf.name_scope("b") as inner:
            c = tf.constant(1.0, name="c")
            x = tf.placeholder(tf.float64, (), name="x")
        after = tf.constant(1.0, name="c")
        return [outer.rstrip("/"), inner.rstrip("/"), c.op.name, x.op.name, after.op.name]

    def gradion(self, session: Session) -> Any:
        with name_scope("a") as outer, name_scope("b") as inner:
            c = constant(1.0, name="c")
            x = placeholder("float64", name="x")
        after = constant(1.0, name="c")
        return [outer, inner, c.operation.name, x.operation.name, after.operation.name]


@case(
    differs="a scope is a place: used again it is the same one; TensorFlow makes a second, a_1",
    ours=["a/c", "a/c_1"],
)
class AScopeThatIsUsedAgain(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.name_scope("a"):
            first = tf.constant(1.0, name="c")
        with tf.name_scope("a"):
            second = tf.constant(1.0, name="c")
        return [first.op.name, second.op.name]

    def gradion(self, session: Session) -> Any:
        with name_scope("a"):
            first = constant(1.0, name="c")
        with name_scope("a"):
            second = constant(1.0, name="c")
        return [first.operation.name, second.operation.name]


@case
class AResultWithAName(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (), name="x")
        with tf.name_scope("layer"):
            y = tf.add(x, 1.0, name="y")
        return [y.op.name, session.run("layer/y:0", {"x:0": 2.0})]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", name="x")
        with name_scope("layer"):
            y = apply(lambda v: v + 1.0, x, name="y")
        return [y.operation.name, session.run("layer/y:0", {"x:0": 2.0})]


@case(
    differs="a name that is not there is an InputError (ValueError), everywhere",
    ours=[True, {"raises": "ValueError"}],
)
class AnOperationFoundByItsName(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        c = tf.constant(1.0, name="c")
        found = session.graph.get_operation_by_name("c")
        missing = attempt(lambda: session.graph.get_operation_by_name("d").name)
        return [found is c.op, missing]

    def gradion(self, session: Session) -> Any:
        c = constant(1.0, name="c")
        found = session.graph.operation("c")
        missing = attempt(lambda: session.graph.operation("d").name)
        return [found is c.operation, missing]


@case
class NamesThatAreNone(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        names = ("a:0", "^a", "")
        return [refused(lambda name=name: tf.constant(1.0, name=name).name) for name in names]

    def gradion(self, session: Session) -> Any:
        names = ("a:0", "^a", "")
        return [refused(lambda name=name: constant(1.0, name=name).name) for name in names]


@case
class TypesAreKnownBeforeARun(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float32, (2, 3))
        found = (x[0], tf.transpose(x) @ x, tf.argmax(x, axis=1, output_type=tf.int32), x > 0.0)
        return [[t.dtype.name, t.shape.as_list()] for t in found]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float32", (2, 3))
        largest = array.astype(np.argmax(x, axis=1), "int32")
        found = (x[0], np.transpose(x) @ x, largest, x > 0.0)
        return [[t.dtype, list(t.shape)] for t in found]


@case
class OperationsStandInAnOrderInWhichTheyRun(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (), name="x")
        y = tf.identity(x, name="y")
        tf.identity(y, name="z")
        return [op.name for op in session.graph.get_operations()]

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", name="x")
        y = identity(x, name="y")
        identity(y, name="z")
        return [operation.name for operation in session.graph]


@case(
    differs="small and capital letters differ, as in Python; TensorFlow gives the second a number",
    ours=["a", "A"],
)
class CapitalLetters(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return [tf.constant(1.0, name=name).op.name for name in ("a", "A")]

    def gradion(self, session: Session) -> Any:
        return [constant(1.0, name=name).operation.name for name in ("a", "A")]


@case(
    differs="only ':' and '^' have a meaning in names; TensorFlow refuses blanks too",
    ours="a b",
)
class BlanksInNames(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        return tf.constant(1.0, name="a b").op.name

    def gradion(self, session: Session) -> Any:
        return constant(1.0, name="a b").operation.name
