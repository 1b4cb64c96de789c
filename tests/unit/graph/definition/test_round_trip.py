"""What is saved comes back: every kind of operation, every dtype, every bit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.dimension import Dimension
from gradion.foundation.errors import InputError
from gradion.graph import Graph, TensorType, capture, evaluate
from gradion.graph.definition import GraphDef, from_bytes, load, save, to_bytes
from gradion.graph.definition.attribute_rules import ATTRIBUTE_RULES
from gradion.graph.definition.tensor_file import DTYPES
from gradion.graph.state import add_assignment, add_read, add_variable

from ..operation_cases import CASES
from .graph_comparison import require_same

# Bits of float64: both zeros, infinities, NaNs of several payloads, the smallest number.
_ODD = np.array(
    [0, 1 << 63, 0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8 << 48, 0xFFF8 << 48, 0x7FF8DEADBEEF0001, 1],
    np.uint64,
).view(np.float64)


def _back(graph):
    content = to_bytes(GraphDef.of(graph))
    definition = from_bytes(content)
    assert to_bytes(definition) == content
    require_same(graph, definition.graph)
    return definition


@pytest.fixture(scope="module")
def returned():
    """Each case's graph as it was read back."""
    return {case.name: _back(case.graph()).graph for case in CASES}


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES}))
def test_every_kind_comes_back(kind, returned):
    for case in (case for case in CASES if case.kind == kind):
        graph = returned[case.name]
        want = jax.tree.leaves(case.function(*map(jnp.asarray, case.arrays)))
        for got, expected in zip(evaluate(graph, case.arrays), want, strict=True):
            np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_the_attributes_of_every_kind_have_rules():
    """A kind without a rule would be refused once it has an attribute."""
    for case in CASES:
        for operation in case.graph():
            assert set(operation.attributes) == set(ATTRIBUTE_RULES.get(operation.kind, {}))


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_a_constant_of_every_dtype_comes_back(name):
    # All bytes there are; of truths only the two that there are.
    n_bytes = 256 * DTYPES[name].itemsize
    array = (np.arange(n_bytes) % (2 if name == "bool" else 251)).astype(np.uint8)
    graph = Graph()
    values = [
        array.view(DTYPES[name]).reshape(2, 128),
        np.asarray(array.view(DTYPES[name])[7]),
        np.zeros((0, 3), DTYPES[name]),
    ]
    graph.outputs = [graph.constant(value) for value in values]
    _back(graph)


def test_odd_numbers_keep_their_bits():
    graph = Graph()
    graph.outputs = [graph.constant(_ODD), graph.constant(_ODD.astype(">f8"))]
    constants = [o.value for o in from_bytes(to_bytes(GraphDef.of(graph))).graph]
    for value in constants:
        assert value.view(np.uint64).tolist() == _ODD.view(np.uint64).tolist()
        assert not value.flags.writeable


@pytest.mark.parametrize("fill", [*_ODD.tolist(), 1e22, 0.1, 3])
def test_a_number_in_an_attribute_keeps_its_bits(fill):
    graph = Graph()
    x = graph.placeholder(TensorType("float64", (4,)), name="x")
    indices = graph.constant(np.array([[9]], np.int32))
    numbers = {
        "offset_dims": (),
        "collapsed_slice_dims": (0,),
        "start_index_map": (0,),
        "operand_batching_dims": (),
        "start_indices_batching_dims": (),
    }
    attributes = {"dimension_numbers": numbers, "slice_sizes": (1,), "mode": "FILL_OR_DROP"}
    gather = graph.add(
        "gather",
        (x, indices),
        [TensorType("float64", (1,))],
        attributes={**attributes, "fill_value": fill},
    )
    graph.outputs = gather.outputs
    _back(graph)


def test_equal_constants_are_stored_once():
    graph = Graph()
    graph.outputs = [graph.constant(np.arange(1000.0)) for _ in range(50)]
    assert len(to_bytes(GraphDef.of(graph))) < 12_000


def test_unknown_sizes_come_back():
    m, odd, n = jax.export.symbolic_shape("m, 2*m + 1, n")
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in ((m,), (n, odd))]
    graph = capture(lambda y, x: (x.reshape(-1), x.T @ x + y.sum(), x.sum() / x.shape[0]), *shapes)
    definition = _back(graph)
    assert definition.graph.inputs[1].shape == (Dimension("n"), Dimension("2*m + 1"))
    x = np.arange(15.0).reshape(5, 3)
    # Whole numbers below 2**53: exact.
    np.testing.assert_array_equal(definition.call(np.ones(1), x)[1], x.T @ x + 1.0)


def test_the_order_of_inputs_comes_back():
    graph = Graph()
    x, y = (graph.placeholder(TensorType("float64", ()), name=name) for name in "xy")
    graph.inputs = (y, x)
    graph.outputs = (x,)
    assert [t.name for t in _back(graph).graph.inputs] == ["y:0", "x:0"]


def test_state_comes_back():
    graph = Graph()
    held = TensorType("float64", (2,))
    counter = add_variable(graph, held, name="counter", trainable=False)
    other = add_variable(graph, held, name="other")
    first = graph.constant(np.ones(2))
    add_assignment(graph, counter, first, initial=True)
    read = add_read(graph, counter)
    positive = graph.constant(np.array(True))
    ask = graph.add("check", (positive,), (), attributes={"message": "is\nnot"}, name="ask")
    total = graph.add("add", (read, first), [held], control_inputs=(ask,)).outputs[0]
    assignment = add_assignment(graph, counter, total)
    graph.add("group", (), (), control_inputs=(assignment.operation, ask), name="step")
    graph.outputs = (total,)
    definition = GraphDef(graph, {"other": np.zeros(2)})
    back = from_bytes(to_bytes(definition))
    require_same(graph, back.graph)
    # What has no initializer has its own value in the file, the rest that of the initializer.
    assert {n: x.tolist() for n, x in back.variables.items()} == {"other": [0.0, 0.0]} | {
        "counter": [1.0, 1.0]
    }
    assert other.name in back.variables


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    graph = capture(lambda x: x + 1.0, 2.0)
    path = tmp_path / "model.gradion"
    save(GraphDef.of(graph), path)
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save(GraphDef.of(graph, metadata={"note": "another"}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    require_same(load(path).graph, graph)


def test_what_a_file_does_not_hold_is_not_saved():
    graph = Graph()
    graph.outputs = [graph.constant(np.zeros(2, np.complex128))]
    with pytest.raises(InputError, match="complex128"):
        to_bytes(GraphDef.of(graph))
    graph = Graph()
    x = graph.placeholder(TensorType("float64", (2,)), name="x")
    graph.outputs = graph.add("neg", (x,), [x.type], attributes={"f": print}, name="odd").outputs
    with pytest.raises(InputError, match=r"operation 'odd'.*builtin_function"):
        to_bytes(GraphDef.of(graph))
    graph = Graph()
    x = graph.placeholder(TensorType("float64", (2,)), name="a\nb")
    with pytest.raises(InputError, match="a name on one line"):
        to_bytes(GraphDef.of(graph))
