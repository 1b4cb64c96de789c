"""Transforms of bounds: round trip, range, monotony, slope."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradion.fit.transform import Identity, LogAbove, LogBelow, Logit, LogLogit, transform_for

_ALL = [Identity(3.0), LogAbove(-2.0), LogBelow(5.0), Logit(-1.0, 4.0), LogLogit(1e-16, 1e-12)]
_BOUNDS = [(-np.inf, np.inf), (-2.0, np.inf), (-np.inf, 5.0), (-1.0, 4.0), (1e-16, 1e-12)]


@pytest.mark.parametrize(("transform", "bounds"), list(zip(_ALL, _BOUNDS, strict=True)))
@given(z=st.floats(-12.0, 12.0))
def test_round_trip_inside_the_bounds(transform, bounds, z):
    value = float(transform.value(z))
    assert bounds[0] < value < bounds[1]
    # A logit 12 away from the middle keeps 5 digits of its distance from the bound fewer.
    assert transform.coordinate(value) == pytest.approx(z, abs=1e-7)


@pytest.mark.parametrize("transform", _ALL)
@given(z=st.floats(-8.0, 8.0), w=st.floats(-8.0, 8.0))
def test_monotone(transform, z, w):
    if abs(z - w) < 1e-6:
        return
    rises = not isinstance(transform, LogBelow)
    assert (float(transform.value(z)) < float(transform.value(w))) == ((z < w) == rises)


@pytest.mark.parametrize("transform", _ALL)
@given(fraction=st.floats(1e-6, 1.0 - 1e-6))
def test_scattered_points_are_finite(transform, fraction):
    start = float(transform.value(0.3))
    assert np.isfinite(transform.scattered(fraction, start))
    assert np.isfinite(float(transform.value(transform.scattered(fraction, start))))


@pytest.mark.parametrize("transform", _ALL)
def test_no_slope_vanishes_near_the_middle(transform):
    assert abs(float(jax.grad(transform.value)(0.0))) > 0.0


def test_choice():
    assert transform_for(None, -3.0) == Identity(3.0)
    assert transform_for(None, 0.0) == Identity(1.0)
    assert transform_for((0.0, np.inf), 1.0) == LogAbove(0.0)
    assert transform_for((-np.inf, 0.0), -1.0) == LogBelow(0.0)
    assert transform_for((1.0, 100.0), 3.0) == Logit(1.0, 100.0)
    assert transform_for((1.0, 101.0), 3.0) == LogLogit(1.0, 101.0)
    assert transform_for((0.0, 1.0), 0.3) == Logit(0.0, 1.0)
