"""Elements at known places, beside numpy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gradion.graph import TensorType, evaluate
from gradion.graph.sparse.derivative_graph import DerivativeGraph
from gradion.graph.sparse.picking import factored, pick, strides_of

_VIEWS = frozenset({"reshape", "slice", "transpose", "rev", "broadcast_in_dim"})


def _picked(shape, places):
    graph = DerivativeGraph()
    tensor = graph.graph.placeholder(TensorType("float64", shape), name="x")
    graph.graph.outputs = [pick(graph, tensor, places)]
    kinds = {o.kind for o in graph.graph} - {"placeholder", "constant"}
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(evaluate(graph.graph, [x])[0], x.ravel()[places])
    return kinds


@st.composite
def boxes(draw):
    """A shape, and the places of a box in it: axes cut, turned, permuted and repeated."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    places = np.arange(np.prod(shape)).reshape(shape)
    for axis, n in enumerate(shape):
        start, step = draw(st.integers(0, n - 1)), draw(st.sampled_from([1, 2, -1]))
        places = np.moveaxis(np.moveaxis(places, axis, 0)[start::step], 0, axis)
    places = places.transpose(draw(st.permutations(range(len(shape)))))
    if draw(st.booleans()):
        places = np.broadcast_to(places, (2, *places.shape))
    return shape, places


@settings(max_examples=25, deadline=None)
@given(boxes())
def test_boxes_are_views(case):
    shape, places = case
    assert _picked(shape, places) <= _VIEWS


def test_rows_of_a_flat_array_are_views():
    # 3 of 5 in each of 4 rows, of an array that does not begin or end with a whole row.
    places = 2 + 5 * np.arange(4)[:, None] + np.arange(3)
    assert _picked((20,), places) <= _VIEWS
    assert _picked((3, 7), places.ravel()) <= _VIEWS
    assert _picked((20,), 1 + 5 * np.arange(4)) == {"slice"}


def test_places_without_a_pattern_are_gathered():
    assert _picked((6,), np.array([4, 0, 1, 1])) == {"gather"}
    assert _picked((2, 3), np.array([[4, 0, 1]])) == {"reshape", "gather"}
    # Rows that are longer than their distance overlap: no reshape has them.
    assert _picked((9,), 2 * np.arange(3)[:, None] + np.arange(4)) >= {"gather"}


def test_all_of_it_is_itself():
    assert _picked((4, 3), np.arange(12).reshape(4, 3)) == set()
    assert _picked((4, 3), np.arange(12)) == {"reshape"}
    assert _picked((), np.zeros((), np.int64)) == set()


def test_patterns_are_recognised():
    assert strides_of(np.array([[5, 3], [5, 3], [5, 3]])) == (0, -2)
    assert strides_of(np.array([0, 1, 3])) is None
    assert factored(np.array([0, 1, 5, 6, 10, 11])) == (3, 2)
    assert factored(np.array([7])) == ()
    assert factored(np.array([0, 2, 3, 7])) is None
    assert factored(np.array([0, 1, 5, 7])) is None
