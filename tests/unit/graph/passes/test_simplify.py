"""Each rule of algebra: where it applies, what stands then, and where it must not apply."""

from __future__ import annotations

import numpy as np
import pytest

from gradion.foundation.dimension import Dimension
from gradion.graph import Graph, TensorType
from gradion.graph.passes import simplify, spread_number

F = "float64"


def build(make, *types):
    """The graph of one result that `make` adds to a graph for inputs of these types."""
    graph = Graph()
    inputs = [graph.placeholder(made, name=f"x{i}") for i, made in enumerate(types)]
    graph.outputs = [make(graph, *inputs)]
    return graph


def add(graph, kind, inputs, shape=None, dtype=None, /, **attributes):
    """An operation of one result, of the type of its last input where nothing else is said."""
    made = TensorType(dtype or inputs[-1].dtype, inputs[-1].shape if shape is None else shape)
    return graph.add(kind, inputs, [made], attributes=attributes).outputs[0]


def number(graph, value, dtype, shape=()):
    return graph.constant(np.full(shape, value, dtype))


def of_number(kind, value, dtype, place, shape=()):
    """x op number, or number op x, for x of the shape (3,)."""

    def make(graph, x):
        pair = [x, x]
        pair[place] = number(graph, value, dtype, shape)
        return add(graph, kind, pair, (3,), dtype)

    return build(make, TensorType(dtype, (3,)))


def simplified(graph):
    """What gives the output now, and what was done."""
    result = simplify(graph)
    assert not simplify(result.graph).report.changes
    return result.graph.outputs[0].operation, [change.what for change in result.report.changes]


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "place"),
    [
        ("mul", 1, F, 0),
        ("mul", 1, "int32", 1),
        ("div", 1, F, 1),
        ("sub", 0.0, F, 1),
        ("add", -0.0, F, 0),
        ("add", -0.0, F, 1),
        ("add", 0, "int32", 1),
        ("sub", 0, "int32", 1),
        ("div", 1, "int32", 1),
        ("and", -1, "int32", 0),
        ("and", 2**32 - 1, "uint32", 0),
        ("and", True, "bool", 1),
        ("or", 0, "int32", 0),
        ("or", False, "bool", 1),
        ("xor", 0, "int32", 1),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_number_that_changes_nothing(kind, value, dtype, place, shape):
    operation, what = simplified(of_number(kind, value, dtype, place, shape))
    assert (operation.kind, what) == ("placeholder", ["neutral element"])


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "place"),
    [
        ("add", 0.0, F, 1),  # makes 0.0 of -0.0
        ("sub", -0.0, F, 1),
        ("sub", 0.0, F, 0),
        ("mul", 0.0, F, 1),  # infinity and NaN
        ("mul", -1.0, F, 1),  # leaves the sign of a NaN, which neg changes
        ("div", 1, F, 0),
        ("div", 0, "int32", 0),  # 0 / 0 is -1
        ("pow", 2.0, F, 1),  # rounded otherwise
    ],
)
def test_what_is_not_exact_stays(kind, value, dtype, place):
    operation, what = simplified(of_number(kind, value, dtype, place))
    assert (operation.kind, what) == (kind, [])


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "left"),
    [("mul", 0, "int32", 0), ("and", False, "bool", 0), ("or", -1, "int32", -1)],
)
def test_a_number_that_decides(kind, value, dtype, left):
    operation, what = simplified(of_number(kind, value, dtype, 1))
    assert what == ["absorbing element"]
    assert operation.kind == "broadcast_in_dim"
    assert operation.name == f"{kind}_1", "in its place, under its name"
    assert spread_number(operation.outputs[0]) == left


@pytest.mark.parametrize(
    ("kind", "dtype", "left"),
    [
        ("max", F, None),
        ("min", F, None),
        ("and", "bool", None),
        ("or", "int32", None),
        ("sub", "int32", 0),
        ("xor", "bool", 0),
    ],
)
def test_of_two_equal_arguments(kind, dtype, left):
    graph = build(lambda g, x: add(g, kind, [x, x]), TensorType(dtype, (3,)))
    operation, what = simplified(graph)
    assert what == ["equal arguments"]
    if left is None:
        assert operation.kind == "placeholder"
    else:
        assert spread_number(operation.outputs[0]) == left


@pytest.mark.parametrize(("kind", "left"), [("eq", 1), ("le", 1), ("ge", 1), ("ne", 0), ("lt", 0)])
def test_equal_integers_compare_as_such_and_floats_may_be_nan(kind, left):
    def make(graph, x):
        return add(graph, kind, [x, x], (3,), "bool")

    operation, _ = simplified(build(make, TensorType("int32", (3,))))
    assert spread_number(operation.outputs[0]) == bool(left)
    assert simplified(build(make, TensorType(F, (3,))))[1] == []


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ("neg", "neg", "placeholder"),
        ("abs", "abs", "abs"),
        ("neg", "abs", "abs"),
        ("sign", "sign", "sign"),
        ("floor", "ceil", "floor"),
        ("ceil", "floor", "ceil"),
    ],
)
def test_one_after_the_other(first, second, left):
    def make(graph, x):
        return add(graph, second, [add(graph, first, [x])])

    operation, what = simplified(build(make, TensorType(F, (3,))))
    assert len(what) == 1
    assert operation.kind == left
    if (first, second) == ("neg", "abs"):
        assert operation.inputs[0].operation.kind == "placeholder"


@pytest.mark.parametrize(
    ("first", "second"), [("abs", "neg"), ("neg", "square"), ("square", "abs")]
)
def test_signs_of_nan_are_not_lost(first, second):
    def make(graph, x):
        return add(graph, second, [add(graph, first, [x])])

    assert simplified(build(make, TensorType(F, (3,))))[1] == []


@pytest.mark.parametrize(
    ("y", "kind"), [(0, "broadcast_in_dim"), (1, "placeholder"), (2, "square")]
)
def test_powers(y, kind):
    operation, _ = simplified(
        build(lambda g, x: add(g, "integer_pow", [x], y=y), TensorType(F, (3,)))
    )
    assert operation.kind == kind


def test_a_product_with_itself_is_a_square():
    operation, _ = simplified(build(lambda g, x: add(g, "mul", [x, x]), TensorType(F, (3,))))
    assert operation.kind == "square"


def test_selections():
    truth, x = TensorType("bool", (3,)), TensorType(F, (3,))
    same = build(lambda g, b, x: add(g, "select_n", [b, x, x]), truth, x)
    operation, what = simplified(same)
    assert (operation.name, what) == ("x1", ["equal cases"])
    known = build(lambda g, x, y: add(g, "select_n", [number(g, True, bool, (3,)), x, y]), x, x)
    operation, what = simplified(known)
    assert (operation.name, what) == ("x1", ["known condition"])
    negated = build(lambda g, b, x, y: add(g, "select_n", [add(g, "not", [b]), x, y]), truth, x, x)
    operation, what = simplified(negated)
    assert [t.name for t in operation.inputs] == ["x0:0", "x2:0", "x1:0"]


@pytest.mark.parametrize(
    ("chain", "left"),
    [
        ((F, F), 0),
        (("float32", F, "float32"), 0),
        (("int32", F, "int32"), 0),
        (("bool", F, "bool"), 0),
        (("int32", "int64", "float32"), 1),
        (("uint8", "int32", F), 1),
        (("int32", F, "bool"), 1),
        ((F, "float32", F), 2),  # rounds
        (("int64", F, "int64"), 2),  # rounds
        (("int32", "float32", F), 2),  # rounds
        (("uint32", F, "int32"), 2),  # saturates; by itself it wraps around
        ((F, "int64", F), 2),
        (("int32", "bool", "int32"), 2),
    ],
)
def test_conversions_go_the_short_way_where_nothing_is_lost(chain, left):
    def make(graph, x):
        for dtype in chain[1:]:
            x = add(graph, "convert_element_type", [x], None, dtype, new_dtype=dtype)
        return x

    operation, _ = simplified(build(make, TensorType(chain[0], (3,))))
    count = 0
    while operation.kind == "convert_element_type":
        operation, count = operation.inputs[0].operation, count + 1
    assert count == left


def reshape(graph, x, *shape):
    return add(graph, "reshape", [x], shape, new_sizes=shape)


def broadcast(graph, x, shape, *places):
    return add(graph, "broadcast_in_dim", [x], shape, shape=shape, broadcast_dimensions=places)


def transpose(graph, x, *order):
    shape = tuple(x.shape[i] for i in order)
    return add(graph, "transpose", [x], shape, permutation=order)


def rev(graph, x, *axes):
    return add(graph, "rev", [x], dimensions=axes)


def part(graph, x, *bounds):
    starts, limits, strides = zip(*bounds, strict=True)
    shape = tuple(len(range(*b)) for b in bounds)
    return add(
        graph, "slice", [x], shape, start_indices=starts, limit_indices=limits, strides=strides
    )


def join(graph, *parts):
    shape = (sum(p.shape[0] for p in parts), *parts[0].shape[1:])
    return add(graph, "concatenate", parts, shape, dimension=0)


# What is done to x of the shape (2, 3), the kind that is left of it, and attributes of that.
MOVES = {
    "reshape to its shape": (lambda g, x: reshape(g, x, 2, 3), "placeholder", {}),
    "reshape there and back": (
        lambda g, x: reshape(g, reshape(g, x, 6), 2, 3),
        "placeholder",
        {},
    ),
    "two reshapes": (lambda g, x: reshape(g, reshape(g, x, 6), 3, 2), "reshape", {}),
    "an axis put in and taken out": (
        lambda g, x: add(g, "squeeze", [broadcast(g, x, (2, 1, 3), 0, 2)], (2, 3), dimensions=(1,)),
        "placeholder",
        {},
    ),
    "broadcast to its shape": (lambda g, x: broadcast(g, x, (2, 3), 0, 1), "placeholder", {}),
    "broadcast that swaps": (lambda g, x: broadcast(g, x, (3, 2), 1, 0), "broadcast_in_dim", {}),
    "two broadcasts": (
        lambda g, x: broadcast(g, broadcast(g, x, (4, 2, 3), 1, 2), (4, 5, 2, 3), 0, 2, 3),
        "broadcast_in_dim",
        {"broadcast_dimensions": (2, 3)},
    ),
    "transpose of nothing": (lambda g, x: transpose(g, x, 0, 1), "placeholder", {}),
    "transpose twice": (lambda g, x: transpose(g, transpose(g, x, 1, 0), 1, 0), "placeholder", {}),
    "reverse twice": (lambda g, x: rev(g, rev(g, x, 0), 0), "placeholder", {}),
    "reverse of two axes": (lambda g, x: rev(g, rev(g, x, 0), 1), "rev", {"dimensions": (0, 1)}),
    "whole slice": (lambda g, x: part(g, x, (0, 2, 1), (0, 3, 1)), "placeholder", {}),
    "slice of a slice": (
        lambda g, x: part(g, part(g, x, (0, 2, 1), (0, 3, 2)), (1, 2, 1), (1, 2, 1)),
        "slice",
        {"start_indices": (1, 2), "limit_indices": (2, 3), "strides": (1, 2)},
    ),
    "empty slice of a slice": (
        lambda g, x: part(g, part(g, x, (0, 2, 1), (0, 3, 2)), (1, 1, 1), (0, 2, 1)),
        "slice",
        {"start_indices": (0, 0), "limit_indices": (0, 3), "strides": (1, 2)},
    ),
    "slice of one part": (
        lambda g, x: part(g, join(g, rev(g, x, 0), x), (2, 4, 1), (0, 3, 1)),
        "placeholder",
        {},
    ),
    "slice of one part with a stride": (
        lambda g, x: part(g, join(g, rev(g, x, 0), x, x), (1, 2, 2), (0, 3, 1)),
        "slice",
        {"start_indices": (1, 0), "limit_indices": (2, 3), "strides": (2, 1)},
    ),
    "slice of two parts": (
        lambda g, x: part(g, join(g, rev(g, x, 0), x), (1, 3, 1), (0, 3, 1)),
        "slice",
        {"start_indices": (1, 0)},
    ),
    "concatenation of one": (lambda g, x: join(g, x), "placeholder", {}),
    "concatenation of concatenations": (
        lambda g, x: join(g, x, join(g, x, x)),
        "concatenate",
        {"dimension": 0},
    ),
    "concatenation with nothing": (
        lambda g, x: join(g, part(g, x, (0, 0, 1), (0, 3, 1)), x),
        "placeholder",
        {},
    ),
    "padding of nothing": (
        lambda g, x: add(
            g, "pad", [x, number(g, 0, F)], (2, 3), padding_config=((0, 0, 0), (0, 0, 0))
        ),
        "placeholder",
        {},
    ),
    "tile once": (lambda g, x: add(g, "tile", [x], reps=(1, 1)), "placeholder", {}),
    "split in one": (lambda g, x: add(g, "split", [x], sizes=(2,), axis=0), "placeholder", {}),
    "a number repeated and moved": (
        lambda g, x: transpose(g, broadcast(g, number(g, 2, F), (2, 3)), 1, 0),
        "broadcast_in_dim",
        {"shape": (3, 2)},
    ),
    "dynamic slice at a known place": (
        lambda g, x: add(
            g,
            "dynamic_slice",
            [x, number(g, 5, "int32"), number(g, -1, "int32")],
            (1, 2),
            F,
            slice_sizes=(1, 2),
        ),
        "slice",
        {"start_indices": (1, 0), "limit_indices": (2, 2)},
    ),
    "update of all": (
        lambda g, x: add(
            g,
            "dynamic_update_slice",
            [rev(g, x, 0), x, number(g, 1, "int32"), number(g, 1, "int32")],
            (2, 3),
            F,
        ),
        "placeholder",
        {},
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    make, kind, attributes = MOVES[name]
    operation, _ = simplified(build(make, TensorType(F, (2, 3))))
    assert operation.kind == kind
    assert {key: operation.attributes[key] for key in attributes} == attributes


def test_short_axes_are_not_reversed():
    graph = build(lambda g, x: rev(g, x, 0, 1), TensorType(F, (1, 3)))
    assert simplified(graph)[0].attributes == {"dimensions": (1,)}


def test_sizes_that_are_not_known_are_kept():
    n = Dimension("n")
    made = TensorType(F, (n, 3))

    def make(graph, x):
        x = add(graph, "mul", [x, number(graph, 1, F)], (n, 3))
        x = reshape(graph, add(graph, "neg", [x]), n, 3)
        return part(graph, x, (0, 2, 1), (0, 3, 1))

    operation, what = simplified(build(make, made))
    assert what == ["neutral element", "whole"]
    assert operation.kind == "slice"
