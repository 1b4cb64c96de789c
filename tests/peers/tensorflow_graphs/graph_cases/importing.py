"""A graph copied into another one."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradion.graph import Graph
from gradion.graph.build import (
    apply,
    constant,
    control_dependencies,
    group,
    identity,
    name_scope,
    placeholder,
    variable,
)
from gradion.graph.definition import GraphDef, from_bytes, import_graph, to_bytes
from gradion.graph.session import Session
from graph_cases.case import AbstractProgram, case
from graph_cases.outcome import attempt


def _theirs(tf: Any) -> Any:
    """x and c; y = x + c; z = y * 2."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float64, (2,), name="x")
        c = tf.constant([1.0, 2.0], tf.float64, name="c")
        tf.multiply(tf.add(x, c, name="y"), tf.constant(2.0, tf.float64), name="z")
    return graph.as_graph_def()


def _ours() -> Graph:
    with Graph() as graph:
        x = placeholder("float64", (2,), name="x")
        c = constant([1.0, 2.0], dtype="float64", name="c")
        y = apply(lambda x, c: x + c, x, c, name="y")
        apply(lambda y: y * 2.0, y, name="z")
    return graph


@case
class UnderAPrefix(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        tf.import_graph_def(_theirs(tf))
        tf.import_graph_def(_theirs(tf))
        tf.import_graph_def(_theirs(tf), name="model")
        fetches = ["import/z:0", "model/z:0"]
        return session.run(fetches, {"import/x:0": [1.0, 1.0], "model/x:0": [0.0, 0.0]})

    def gradion(self, session: Session) -> Any:
        import_graph(_ours(), session.graph)
        import_graph(_ours(), session.graph)
        import_graph(_ours(), session.graph, prefix="model")
        fetches = ["import/z:0", "model/z:0"]
        return session.run(fetches, {"import/x:0": [1.0, 1.0], "model/x:0": [0.0, 0.0]})


@case
class APrefixThatIsTakenGetsANumber(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        for _ in range(2):
            (z,) = tf.import_graph_def(_theirs(tf), name="model", return_elements=["z:0"])
        return z.op.name

    def gradion(self, session: Session) -> Any:
        for _ in range(2):
            made = import_graph(_ours(), session.graph, prefix="model", return_elements=["z:0"])
        return made.returned[0].operation.name


@case
class InputsAreReplaced(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant([10.0, 20.0], tf.float64)
        (z,) = tf.import_graph_def(_theirs(tf), input_map={"x:0": x}, return_elements=["z:0"])
        return session.run(z)

    def gradion(self, session: Session) -> Any:
        x = constant([10.0, 20.0], dtype="float64")
        made = import_graph(_ours(), session.graph, input_map={"x:0": x}, return_elements=["z:0"])
        return session.run(made.returned[0])


@case
class AnIntermediateIsReplaced(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        y = tf.constant([10.0, 20.0], tf.float64)
        (z,) = tf.import_graph_def(_theirs(tf), input_map={"y": y}, return_elements=["z:0"])
        return session.run(z)

    def gradion(self, session: Session) -> Any:
        y = constant([10.0, 20.0], dtype="float64")
        made = import_graph(_ours(), session.graph, input_map={"y": y}, return_elements=["z:0"])
        return session.run(made.returned[0])


@case
class ElementsAreReturned(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        elements = ["z", "y:0", "x:0"]
        made = tf.import_graph_def(_theirs(tf), return_elements=elements)
        return [item.name for item in made]

    def gradion(self, session: Session) -> Any:
        elements = ["z", "y:0", "x:0"]
        made = import_graph(_ours(), session.graph, return_elements=elements)
        return [item.name for item in made.returned]


@case
class AKeyThatIsNotThere(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant([10.0, 20.0], tf.float64)
        keys = [{key: x} for key in ("w:0", "x:1")]
        found = [attempt(lambda k=k: tf.import_graph_def(_theirs(tf), input_map=k)) for k in keys]
        wanted = attempt(lambda: tf.import_graph_def(_theirs(tf), return_elements=["w:0"]))
        return [*found, wanted]

    def gradion(self, session: Session) -> Any:
        x = constant([10.0, 20.0], dtype="float64")
        graph = session.graph
        keys = [{key: x} for key in ("w:0", "x:1")]
        found = [attempt(lambda k=k: import_graph(_ours(), graph, input_map=k)) for k in keys]
        wanted = attempt(lambda: import_graph(_ours(), graph, return_elements=["w:0"]))
        return [*found, wanted]


@case
class AReplacementOfAWrongType(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.constant([1, 2], tf.int32)
        return tf.import_graph_def(_theirs(tf), input_map={"x:0": x}, return_elements=["z"])[0].name

    def gradion(self, session: Session) -> Any:
        x = constant([1, 2], dtype="int32")
        made = import_graph(_ours(), session.graph, input_map={"x:0": x}, return_elements=["z"])
        return made.returned[0].name


@case
class AReplacementOfAnotherGraph(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default():
            x = tf.constant([1.0, 2.0], tf.float64)
        return tf.import_graph_def(_theirs(tf), input_map={"x:0": x}, return_elements=["z"])[0].name

    def gradion(self, session: Session) -> Any:
        with Graph():
            x = constant([1.0, 2.0], dtype="float64")
        made = import_graph(_ours(), session.graph, input_map={"x:0": x}, return_elements=["z"])
        return made.returned[0].name


@case
class VariablesComeAlong(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default() as graph:
            v = tf.Variable([1.0, 2.0], dtype=tf.float64, name="v")
            tf.identity(v * 3.0, name="y")
            tf.group(v.initializer, name="init")
        tf.import_graph_def(graph.as_graph_def(), name="m")
        outcomes = [attempt(lambda: session.run("m/y:0")), session.run("m/init")]
        return [*outcomes, session.run("m/y:0")]

    def gradion(self, session: Session) -> Any:
        with Graph() as graph:
            v = variable(np.array([1.0, 2.0]), name="v")
            apply(lambda v: v * 3.0, v, name="y")
        import_graph(graph, session.graph, prefix="m")
        outcomes = [attempt(lambda: session.run("m/y:0")), session.run("m/v/initializer")]
        return [*outcomes, session.run("m/y:0")]


@case
class ThroughBytesAndBack(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        text = _theirs(tf).SerializeToString()
        definition = tf.GraphDef.FromString(text)
        (z,) = tf.import_graph_def(definition, name="", return_elements=["z:0"])
        return [z.name, session.run(z, {"x:0": [0.5, 0.25]})]

    def gradion(self, session: Session) -> Any:
        text = to_bytes(GraphDef(_ours()))
        definition = from_bytes(text)
        made = import_graph(definition, session.graph, prefix="", return_elements=["z:0"])
        return [made.returned[0].name, session.run(made.returned[0], {"x:0": [0.5, 0.25]})]


@case
class DerivativesOfWhatWasImported(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        x = tf.placeholder(tf.float64, (2,))
        (z,) = tf.import_graph_def(_theirs(tf), input_map={"x:0": x}, return_elements=["z:0"])
        return session.run(tf.gradients(z * z, x), {x: [1.0, 2.0]})

    def gradion(self, session: Session) -> Any:
        x = placeholder("float64", (2,))
        made = import_graph(_ours(), session.graph, input_map={"x:0": x}, return_elements=["z:0"])
        z = made.returned[0]
        return session.run(session.graph.gradients([z * z], [x]), {x: [1.0, 2.0]})


@case(
    differs="an import is told the graph and the whole prefix: where it is called does not count",
    ours="m/z",
)
class InsideAScope(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.name_scope("a"):
            (z,) = tf.import_graph_def(_theirs(tf), name="m", return_elements=["z:0"])
        return z.op.name

    def gradion(self, session: Session) -> Any:
        with name_scope("a"):
            made = import_graph(_ours(), session.graph, prefix="m", return_elements=["z:0"])
        return made.returned[0].operation.name


@case
class DependenciesComeAlong(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default() as graph:
            v = tf.Variable(1.0, dtype=tf.float64, name="v")
            with tf.control_dependencies([v.assign_add(1.0)]):
                tf.multiply(v.read_value(), 10.0, name="y")
            tf.group(v.initializer, name="init")
        tf.import_graph_def(graph.as_graph_def(), name="m")
        session.run("m/init")
        return [session.run("m/y:0"), session.run("m/y:0")]

    def gradion(self, session: Session) -> Any:
        with Graph() as graph:
            v = variable(np.float64(1.0), name="v")
            with control_dependencies([v.assign_add(1.0)]):
                apply(lambda v: v * 10.0, v, name="y")
            group([v.initializer], name="init")
        import_graph(graph, session.graph, prefix="m")
        session.run("m/init")
        return [session.run("m/y:0"), session.run("m/y:0")]


@case
class ATensorThatIsReplacedRunsNoMore(AbstractProgram):
    def tensorflow(self, tf: Any, session: Any) -> Any:
        with tf.Graph().as_default() as graph:
            v = tf.Variable(1.0, dtype=tf.float64, name="v")
            with tf.control_dependencies([v.assign_add(1.0)]):
                h = tf.identity(tf.constant(5.0, tf.float64), name="h")
            tf.multiply(h, 10.0, name="y")
            tf.identity(v.read_value(), name="value")
            tf.group(v.initializer, name="init")
        h = tf.constant(7.0, tf.float64)
        tf.import_graph_def(graph.as_graph_def(), name="m", input_map={"h:0": h})
        session.run("m/init")
        return [session.run("m/y:0"), session.run("m/value:0"), session.run("m/h:0")]

    def gradion(self, session: Session) -> Any:
        with Graph() as graph:
            v = variable(np.float64(1.0), name="v")
            with control_dependencies([v.assign_add(1.0)]):
                h = identity(constant(5.0), name="h")
            apply(lambda h: h * 10.0, h, name="y")
            identity(v, name="value")
            group([v.initializer], name="init")
        h = constant(7.0)
        import_graph(graph, session.graph, prefix="m", input_map={"h:0": h})
        session.run("m/init")
        return [session.run("m/y:0"), session.run("m/value:0"), session.run("m/h:0")]
