"""Layouts against numpy's own strides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradion.graph.cpp.layout import Layout, significant


def _elements(memory: np.ndarray, layout: Layout) -> np.ndarray:
    item = memory.itemsize
    strides = [s * item for s in layout.strides]
    return np.lib.stride_tricks.as_strided(memory[layout.offset :], layout.shape, strides)


@st.composite
def views(draw):
    """A view of an array made by numpy, and the layout made by the same steps."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    memory = np.arange(np.prod(shape), dtype=np.int64)
    array, layout = memory.reshape(shape), Layout.contiguous(shape)
    for _ in range(draw(st.integers(0, 3))):
        step = draw(st.sampled_from(["slice", "transpose", "flip", "broadcast"]))
        axis = draw(st.integers(0, array.ndim - 1))
        if step == "slice":
            start, step_size = draw(st.integers(0, array.shape[axis] - 1)), draw(st.integers(1, 2))
            index = [slice(None)] * array.ndim
            index[axis] = slice(start, None, step_size)
            starts, steps = [0] * array.ndim, [1] * array.ndim
            starts[axis], steps[axis] = start, step_size
            layout = layout.sliced(starts, array.shape, steps)
            array = array[tuple(index)]
        elif step == "transpose":
            order = draw(st.permutations(range(array.ndim)))
            array, layout = array.transpose(order), layout.transposed(order)
        elif step == "flip":
            array, layout = np.flip(array, axis), layout.reversed([axis])
        elif array.ndim < 4:
            axes = range(1, array.ndim + 1)
            shape = (2, *array.shape)
            array, layout = np.broadcast_to(array, shape), layout.broadcast(shape, axes)
    return memory, array, layout


@given(views())
def test_views_are_those_of_numpy(view):
    memory, array, layout = view
    np.testing.assert_array_equal(_elements(memory, layout), array)


@given(views(), st.data())
def test_a_reshape_without_a_copy_is_numpys(view, data):
    memory, array, layout = view
    sizes = [n for n in range(1, array.size + 1) if array.size % n == 0]
    first = data.draw(st.sampled_from(sizes))
    shape = data.draw(
        st.sampled_from([(array.size,), (first, array.size // first), (first, 1, -1)])
    )
    target = array.reshape(shape)
    found = layout.reshaped(target.shape)
    if found is not None:
        np.testing.assert_array_equal(_elements(memory, found), target)
    else:
        # Where numpy must copy too.
        assert not np.shares_memory(target, memory)


def test_a_plain_array_can_always_be_reshaped():
    plain = Layout.contiguous((4, 6))
    assert plain.reshaped((2, 2, 1, 6)) == Layout((2, 2, 1, 6), (12, 6, 0, 1))
    assert plain.is_contiguous
    assert not plain.transposed((1, 0)).is_contiguous
    assert Layout.contiguous((0, 3)).reshaped((3, 0)).is_contiguous
    assert significant((1, 4, 1, 6)) == (4, 6)
