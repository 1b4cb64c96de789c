"""Definitions: what a caller gives and gets once the classes are gone."""

from __future__ import annotations

import collections
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gradion.extension import Array, Operator
from gradion.foundation.errors import InputError
from gradion.graph import Graph, TensorType, capture, evaluate
from gradion.graph.build import check, graph_variables, initialize_all, placeholder, variable
from gradion.graph.definition import (
    GraphDef,
    NamedSignature,
    NamedTuple,
    Tree,
    TreeKind,
    from_bytes,
    import_graph,
    read_stablehlo,
    save,
    to_bytes,
)
from gradion.graph.definition.archive import pack
from gradion.graph.definition.manifest import Part
from gradion.graph.session import Session
from gradion.graph.state import add_read, add_variable
from gradion.graph.training import minimize
from gradion.module import Module, Parameter

from .test_refusals import _parts

Pair = collections.namedtuple("Pair", "first second")
X = np.array([1.0, -2.0, 0.5])


class Line(Module):
    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = Parameter(slope, unit="V")
        self.register_buffer("shift", jnp.ones(3))

    def forward(self, x):
        return self.slope * x + self.shift


def _apply(model, x, data):
    y = model(x)
    return {"y": y, "pair": Pair(x, (data["k"], None)), "model": model, "more": [y + 1.0]}


@pytest.fixture(scope="module")
def applied():
    graph = capture(_apply, Line(3.0), X, {"k": np.float64(2.0), "none": None})
    return from_bytes(to_bytes(GraphDef.of(graph)))


def test_a_module_is_a_dict_or_one_of_the_same_arrays(applied):
    for model in (Line(2.0), {"slope": np.float64(2.0), "shift": np.ones(3)}):
        found = applied.call(model, X, {"k": np.float64(2.0), "none": None})
        np.testing.assert_array_equal(found["y"], 2.0 * X + 1.0)
        np.testing.assert_array_equal(found["model"]["slope"], 2.0)
        np.testing.assert_array_equal(found["more"][0], 2.0 * X + 2.0)


def test_a_named_tuple_comes_back_with_its_names(applied):
    pair = applied.call(Line(2.0), X, {"k": np.float64(2.0), "none": None})["pair"]
    first, second = pair
    assert pair.first is first
    assert pair.second is second
    assert second[1] is None
    assert repr(NamedTuple((1, 2), ("a", "b"))) == "NamedTuple(a=1, b=2)"
    with pytest.raises(AttributeError, match="third"):
        _ = pair.third
    with pytest.raises(ValueError, match="got 1, expected 2"):
        NamedTuple((1, 2), ("a",))


def test_a_call_works_under_transformations(applied):
    model = {"slope": np.float64(2.0), "shift": np.ones(3)}
    data = {"k": np.float64(2.0), "none": None}
    found = jax.jit(applied.call)(model, X, data)
    assert isinstance(found["pair"], NamedTuple)
    slope = jax.grad(lambda m: applied.call(m, X, data)["y"].sum())(model)
    np.testing.assert_array_equal(slope["slope"], X.sum())  # of numbers that sum exactly


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((X,), "got 1 arguments, expected 3"),
        (
            ({"slope": 1.0}, X, {"k": 2.0, "none": None}),
            r"arguments\[0\]: got the keys \('slope',\)",
        ),
        ((Line(1.0), X, {"k": 2.0, "none": 3.0}), r"\['none'\]: got a float, expected None"),
        ((Line(1.0), X, [1.0, None]), r"arguments\[2\]: got a list of 2, expected the keys"),
        (
            (Line(1.0), X.astype(np.float32), {"k": 2.0, "none": None}),
            "got float32, expected float64",
        ),
    ],
)
def test_another_structure_is_refused(arguments, match, applied):
    with pytest.raises(TypeError, match=match):
        applied.call(*arguments)


def test_trees_of_other_arguments():
    tree = Tree.of(jax.tree.structure(([1, (2,)], {"a": Pair(3, {}), "b": ()}, None)))
    assert tree.leaf_names == ("0.0", "0.1.0", "1.a.first")
    assert tree.flatten(([1, (2,)], {"a": (3, {}), "b": ()}, None), "x") == [1, 2, 3]
    value = tree.unflatten(iter([1, 2, 3]))
    assert value == ([1, (2,)], {"a": (3, {}), "b": ()}, None)
    # What comes back is of the same tree again.
    assert Tree.of(jax.tree.structure(value)) == tree
    with pytest.raises(TypeError, match=r"x\[0\]: got a tuple of 2, expected a list of 2"):
        tree.flatten(((1, (2,)), {"a": (3, {}), "b": ()}, None), "x")
    with pytest.raises(TypeError, match="expected the fields"):
        tree.flatten(([1, (2,)], {"a": (3,), "b": ()}, None), "x")
    default = collections.defaultdict(list, {"z": 1, "y": 2})
    assert Tree.of(jax.tree.structure(default)).keys == ("y", "z")
    with pytest.raises(InputError, match="expected texts or integers"):
        Tree.of(jax.tree.structure({1.5: 1}))


def test_held_arguments_are_variables():
    graph = capture(lambda m, x: m(x), Line(3.0), X)
    definition = from_bytes(to_bytes(GraphDef.of(graph, held={0: Line(4.0)})))
    assert {n: x.tolist() for n, x in definition.variables.items()} == {
        "slope": 4.0,
        "shift": [1.0, 1.0, 1.0],
    }
    # A buffer is no Parameter, and none that is frozen is trained.
    trained = {name: v.trainable for name, v in graph_variables(definition.graph).items()}
    assert trained == {"slope": True, "shift": False}
    model = Line(4.0)
    model.get_parameter("slope").trainable = False
    frozen = GraphDef.of(graph, held={0: model}).graph
    assert not any(v.trainable for v in graph_variables(frozen).values())
    np.testing.assert_array_equal(definition.call(X), 4.0 * X + 1.0)
    # Fitted since: the file has the new value beside the first one.
    fitted = GraphDef(
        definition.graph,
        {**definition.variables, "slope": np.float64(5.0)},
        definition.signatures,
    )
    np.testing.assert_array_equal(from_bytes(to_bytes(fitted)).call(X), 5.0 * X + 1.0)
    with pytest.raises(InputError, match="there is no argument 2"):
        GraphDef.of(graph, held={2: 1.0})
    with pytest.raises(InputError, match=r"held\[0\]"):
        GraphDef.of(graph, held={0: {"slope": 1.0}})


def test_a_definition_does_not_change():
    graph = capture(lambda m, x: m(x), Line(3.0), X)
    definition = GraphDef.of(graph, held={0: Line(4.0)}, metadata={"author": "somebody"})
    with pytest.raises(RuntimeError, match="finalized"):
        definition.graph.constant(1.0)
    with pytest.raises(ValueError, match="read-only"):
        definition.variables["shift"][0] = 2.0
    with pytest.raises(TypeError, match="assignment"):
        definition.metadata["author"] = "me"
    graph.constant(1.0)  # the graph that it was made of does


_FRESH = """
import sys
import numpy as np
from gradion.graph.definition import load
definition = load(sys.argv[1])
assert "line_module" not in sys.modules
print(definition.call(np.array([1.0, -2.0, 0.5])).tolist())
"""


def test_a_fresh_process_runs_it_without_the_class(tmp_path):
    graph = capture(lambda m, x: m(x), Line(3.0), X)
    path = tmp_path / "line.gradion"
    save(GraphDef.of(graph, held={0: Line(3.0)}), path)
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str((3.0 * X + 1.0).tolist()), done.stderr


def test_signatures_of_other_tensors():
    graph = Graph()
    x = graph.placeholder(TensorType("float64", ()), name="x")
    y = graph.add("neg", (x,), [x.type], name="y").outputs[0]
    graph.add("exp", (y,), [x.type], name="z")
    leaf = Tree(TreeKind.LEAF)
    one = Tree(TreeKind.TUPLE, (leaf,))
    signatures = {
        "tail": NamedSignature({"y": "y:0"}, {"z": "z:0"}, one, leaf),
        "hungry": NamedSignature({}, {"z": "z:0"}, Tree(TreeKind.TUPLE), leaf),
    }
    definition = from_bytes(to_bytes(GraphDef(graph, {}, signatures)))
    assert float(definition.call(0.0, signature_name="tail")) == 1.0
    with pytest.raises(InputError, match="'hungry' does not feed 'x:0'"):
        definition.call(signature_name="hungry")
    with pytest.raises(InputError, match="unknown signature 'default'"):
        definition.call(0.0)
    with pytest.raises(InputError, match="unknown operation 'w'"):
        GraphDef(graph, {}, {"odd": NamedSignature({"w": "w:0"}, {"z": "z:0"}, one, leaf)})
    with pytest.raises(ValueError, match="outputs: got 0 names"):
        NamedSignature({"y": "y:0"}, {}, one, leaf)


def test_a_variable_without_a_value_is_named():
    graph = Graph()
    variable = add_variable(graph, TensorType("float64", ()), name="weight")
    graph.outputs = [add_read(graph, variable)]
    definition = GraphDef.of(graph)
    with pytest.raises(InputError, match="'weight' has no value"):
        definition.call()
    assert float(GraphDef(graph, {"weight": 2.0}, definition.signatures).call()[0]) == 2.0


def test_an_operator_is_found_by_its_name():
    twice = Operator(
        "twice_in_a_file",
        inputs=(Array("x", "float64", ("n",)),),
        outputs=(Array("y", "float64", ("n",)),),
        reference=lambda x: 2.0 * x,
    )
    graph = Graph()
    x = graph.placeholder(TensorType("float64", (3,)), name="x")
    made = {"operator": twice.name, "call": "forward", "attributes": {}, "dtypes": ()}
    made |= {"batch": None, "directions": None}
    graph.outputs = graph.add("native_call", (x,), [x.type], attributes=made, name="y").outputs
    content = to_bytes(GraphDef.of(graph))
    np.testing.assert_array_equal(from_bytes(content).call(X)[0], 2.0 * X)
    for change, match in (
        ({"call": "sideways"}, "'sideways' is no call"),
        ({"batch": -1}, "'batch'"),
        ({"attributes": {"k": 1}}, "'k'"),
        ({"dtypes": ("float64",)}, "names 1 dtypes, expected 0"),
        ({"call": "jvp"}, "has 1 inputs, the call 'jvp' .* 2"),
    ):
        graph = Graph()
        x = graph.placeholder(TensorType("float64", (3,)), name="x")
        graph.add("native_call", (x,), [x.type], attributes=made | change, name="y")
        with pytest.raises(InputError, match=match):
            to_bytes(GraphDef.of(graph))
    code = "import sys; from gradion.graph.definition import from_bytes\n"
    code += "try: from_bytes(sys.stdin.buffer.read())\nexcept ValueError as error: print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code], input=content, capture_output=True, check=False
    )
    assert b"needs the operator 'twice_in_a_file', which is not installed" in done.stdout
    assert done.stdout.count(b"\n") == 1


def test_stablehlo_travels_beside_and_is_of_its_graph(tmp_path):
    from gradion.graph.xla.export import run_stablehlo

    graph = capture(lambda m, x: m(x), Line(3.0), X)
    path = tmp_path / "line.gradion"
    definition = GraphDef.of(graph, held={0: Line(3.0)})
    save(definition, path, stablehlo=True)
    program = read_stablehlo(path)
    order = [t.operation.name for t in definition.function().graph.inputs]
    values = {"x": X, **definition.variables}
    (found,) = run_stablehlo(program, [values[name] for name in order])
    np.testing.assert_array_equal(found, 3.0 * X + 1.0)  # exact in 53 bits
    parts = _parts(path.read_bytes())
    other = _parts(to_bytes(GraphDef.of(capture(lambda x: x - 1.0, X))))
    manifest = parts.pop("manifest.json").decode()
    for name in ("graph.json", "constants.safetensors", "variables.safetensors"):
        before, after = Part.of(parts[name]), Part.of(other[name])
        derived = manifest.index('"derived"')
        listed = manifest[:derived].replace(before.sha256, after.sha256)
        listed = listed.replace(f'"bytes": {before.n_bytes},', f'"bytes": {after.n_bytes},')
        manifest = listed + manifest[derived:]
        parts[name] = other[name]
    stale = tmp_path / "stale.gradion"
    stale.write_bytes(pack({"manifest.json": manifest.encode(), **parts}))
    with pytest.raises(InputError, match="StableHLO is of another graph"):
        read_stablehlo(stale)
    save(definition, path)
    with pytest.raises(InputError, match="holds no StableHLO"):
        read_stablehlo(path)
    with pytest.raises(InputError, match="no such file"):
        read_stablehlo(tmp_path / "gone")


def test_stablehlo_of_unknown_sizes_serves_all(tmp_path):
    (n,) = jax.export.symbolic_shape("n")
    shape = jax.ShapeDtypeStruct((n,), jnp.float64)
    definition = GraphDef.of(capture(lambda x: x.sum() / x.shape[0], shape))
    save(definition, tmp_path / "mean.gradion", stablehlo=True)
    program = jax.export.deserialize(bytearray(read_stablehlo(tmp_path / "mean.gradion")))
    assert program.platforms == ("cpu", "cuda", "tpu")
    assert [float(program.call(np.arange(k + 1.0))[0]) for k in (2, 6)] == [1.0, 3.0]


def test_a_training_graph_comes_back():
    """Optimiser, initializers and checks are in the file; the session goes on where it was."""
    with Graph() as graph:
        x = placeholder("float64", (None,), name="x")
        weight = variable(0.5, name="weight")
        loss = np.mean((weight * x - 2.0 * x) ** 2)
        check(loss >= 0.0, "a loss\nbelow zero", name="ask")
        step, start = minimize(loss, optax.adam(0.1)), initialize_all()
    feed = {"x:0": np.ones(3)}
    session = Session(graph=graph)
    session.run(start)
    session.run(step, feed)
    values = {"weight": session.run(weight)}
    back = from_bytes(to_bytes(GraphDef(graph, values)))
    assert back.variables["weight"].tobytes() == np.asarray(values["weight"]).tobytes()
    assert float(back.variables["train/0.count"]) == 0.0  # as it is initialised
    other = Session(graph=back.graph)
    other.run(start.name)
    other.run(step.name, feed)
    assert other.run(loss.name, feed) == session.run(loss, feed)


# Importing, as TensorFlow 1's import_graph_def


@pytest.fixture
def source():
    """c = a * b, with an element in the middle."""
    graph = Graph()
    a, b = (graph.placeholder(TensorType("float64", ()), name=name) for name in "ab")
    product = graph.add("mul", (a, b), [a.type], name="product", scope="inside").outputs[0]
    graph.outputs = graph.add("neg", (product,), [a.type], name="c").outputs
    return graph


def test_names_and_scopes_have_the_prefix(source):
    graph = Graph()
    made = import_graph(source, graph, return_elements=["c:0", "product", "c"])
    assert [o.name for o in graph] == [f"import/{n}" for n in ("a", "b", "product", "c")]
    assert graph.operation("import/product").scope == "import/inside"
    assert [t.name for t in graph.inputs] == ["import/a:0", "import/b:0"]
    assert made.prefix == "import"
    assert made.returned[0] is graph.operation("import/c").outputs[0]
    assert made.returned[1:] == (graph.operation("import/product"), graph.operation("import/c"))
    assert import_graph(source, graph).prefix == "import_1"
    assert import_graph(source, graph, prefix="").prefix == ""
    with pytest.raises(InputError, match="the name 'a' is taken"):
        import_graph(source, graph, prefix="")


def test_mapped_inputs_are_what_they_are_mapped_to(source):
    graph = Graph()
    x = graph.placeholder(TensorType("float64", ()), name="x")
    made = import_graph(
        source, graph, input_map={"a": x, "b:0": x}, prefix="f", return_elements=["c:0", "a:0", "b"]
    )
    assert [o.name for o in graph] == ["x", "f/product", "f/c"]
    assert made.returned[1] is x
    assert made.returned[2] is x.operation
    graph.outputs = made.returned[:1]
    assert float(evaluate(graph, [3.0])[0]) == -9.0


def test_a_result_in_the_middle_can_be_mapped(source):
    graph = Graph()
    x = graph.placeholder(TensorType("float64", ()), name="x")
    made = import_graph(source, graph, input_map={"product:0": x}, return_elements=["c:0"])
    # As in TensorFlow, what led to it is imported too.
    assert graph.operation("import/product").kind == "mul"
    assert made.returned[0].operation.inputs == (x,)


def test_wrong_names_and_types_are_refused(source):
    graph = Graph()
    x = graph.placeholder(TensorType("float32", ()), name="x")
    with pytest.raises(InputError, match="unknown operation 'produc'.*'product'"):
        import_graph(source, graph, input_map={"produc:0": x})
    with pytest.raises(InputError, match="there is no tensor 'c:1'"):
        import_graph(source, graph, return_elements=["c:1"])
    with pytest.raises(InputError, match=r"expected float64\[\], got Tensor\(x:0: float32\[\]\)"):
        import_graph(source, graph, input_map={"a": x})
    with pytest.raises(ValueError, match="another graph"):
        import_graph(source, Graph(), input_map={"a": source.inputs[0]})
    assert len(graph) == 1
    graph.finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        import_graph(source, graph)


def test_variables_come_along_under_the_prefix():
    definition = GraphDef.of(capture(lambda m, x: m(x), Line(3.0), X), held={0: Line(4.0)})
    graph = Graph()
    made = [import_graph(definition, graph, return_elements=["add_1:0"]) for _ in range(2)]
    graph.outputs = [made[1].returned[0]]
    values = {**made[0].variables, **made[1].variables}
    assert sorted(values) == ["import/shift", "import/slope", "import_1/shift", "import_1/slope"]
    both = GraphDef(graph, {**values, "import_1/slope": np.float64(7.0)})
    signature = NamedSignature(
        {"x": "import_1/x:0"},
        {"y": "import_1/add_1:0"},
        Tree(TreeKind.TUPLE, (Tree(TreeKind.LEAF),)),
        Tree(TreeKind.LEAF),
    )
    found = GraphDef(both.graph, both.variables, {"default": signature}).call(X)
    np.testing.assert_array_equal(found, 7.0 * X + 1.0)
