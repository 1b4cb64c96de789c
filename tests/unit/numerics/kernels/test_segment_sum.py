"""The sum of rows by segment, against numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.numerics.kernels import segment_sum
from gradion.testing import assert_gradient


def _sums(values, segments, n_segments):
    sums = np.zeros((n_segments, *values.shape[1:]), values.dtype)
    there = (segments >= 0) & (segments < n_segments)
    np.add.at(sums, segments[there], values[there])
    return sums


@pytest.mark.parametrize("row", [(), (3,), (4,), (2, 3)], ids=str)
def test_rows_of_any_shape_are_summed(row):
    generator = np.random.default_rng(0)
    values = generator.normal(size=(1001, *row))
    segments = generator.integers(-2, 33, 1001)
    found = segment_sum(values, segments, n_segments=30)
    # Sums of some 30 numbers of size 1.
    np.testing.assert_allclose(found, _sums(values, segments, 30), rtol=0, atol=1e-13)


def test_single_precision_stays_so():
    values = np.ones((50_000, 3), np.float32)
    found = segment_sum(values, np.arange(50_000) % 7, n_segments=7)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, _sums(values, np.arange(50_000) % 7, 7))


def test_parts_leave_no_row_out_and_count_none_twice():
    """Whole numbers: exact in any order, at sizes around which the number of parts changes."""
    for n in (8191, 8192, 16_383, 16_384, 32_769, 140_000):
        segments = np.arange(n) * 7919 % 101
        found = segment_sum(np.arange(3.0 * n).reshape(n, 3), segments, n_segments=101)
        expected = _sums(np.arange(3.0 * n).reshape(n, 3), segments, 101)
        np.testing.assert_array_equal(found, expected)


def test_a_large_64_bit_segment_is_left_out():
    segments = np.array([0, 2**32, -(2**40)])
    np.testing.assert_array_equal(segment_sum(np.ones(3), segments, n_segments=1), [1.0])


def test_derivatives():
    segments = jnp.array([2, 0, 2, 5, -1])

    def energy(values):
        return (segment_sum(values, segments, n_segments=3) ** 3).sum()

    at, direction = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 3)))
    assert_gradient(energy, at, direction)
    hessian = jax.hessian(energy)(jnp.ones((5, 1)))
    # Of (v0 + v2)^3 + v1^3; rows that go nowhere have none.
    np.testing.assert_array_equal(hessian[:3, 0, :3, 0], [[12, 0, 12], [0, 6, 0], [12, 0, 12]])
    assert not np.any(hessian[3:])


def test_wrong_arguments_are_told():
    with pytest.raises(TypeError, match="segments are float64, expected integers"):
        segment_sum(np.ones(3), np.ones(3), n_segments=1)
    with pytest.raises(ValueError, match="values is a number"):
        segment_sum(1.0, np.zeros(0, int), n_segments=1)
    with pytest.raises(ValueError, match="input 'segments' has size 2"):
        segment_sum(np.ones(3), np.zeros(2, int), n_segments=1)
    with pytest.raises(TypeError, match="input 'values' is int"):
        segment_sum(np.ones(3, int), np.zeros(3, int), n_segments=1)
