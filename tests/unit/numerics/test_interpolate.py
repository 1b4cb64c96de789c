"""Splines: values and derivatives against scipy, shape, ends, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate
from hypothesis import given
from hypothesis import strategies as st

from gradion.module import Parameter
from gradion.numerics.interpolate import CubicSpline, MonotoneSpline

X = np.array([0.0, 0.1, 0.15, 0.4, 0.8, 0.85, 1.0])
TABLES = {
    "falling": np.array([3.5, 1.0, 0.6, 0.2, 0.1, 0.05, 0.0]),
    "rising, with a plateau": np.array([0.0, 1.0, 1.0, 1.0, 2.0, 5.0, 5.5]),
    "extrema": np.array([0.0, 1.0, -1.0, 2.0, 2.0, 0.0, 3.0]),
    "end limited": np.array([0.0, 5.0, -1.0, 2.0, 1.0, -3.0, 0.0]),
}
INSIDE = np.setdiff1d(np.linspace(0.001, 0.999, 41), X)
OUTSIDE = np.array([-0.5, -1e-3, 1.001, 2.0])
# Both evaluate the same cubics in another order; slopes reach some 50 here.
ROUND_OFF = {"rtol": 1e-12, "atol": 1e-12}

SPLINES = {
    MonotoneSpline: scipy.interpolate.PchipInterpolator,
    CubicSpline: scipy.interpolate.CubicSpline,
}


def slope_of(spline, x):
    return _slope(spline, jnp.asarray(x))


@jax.jit
def _slope(spline, x):
    return jax.vmap(jax.grad(spline))(x)


@jax.jit
def _curvature(spline, x):
    return jax.vmap(jax.grad(jax.grad(spline)))(x)


@jax.jit
def _value(spline, x):
    return spline(x)


@pytest.mark.parametrize("kind", SPLINES)
@pytest.mark.parametrize("table", TABLES)
def test_agrees_with_scipy(kind, table):
    ours, theirs = kind(X, TABLES[table]), SPLINES[kind](X, TABLES[table])
    np.testing.assert_allclose(_value(ours, INSIDE), theirs(INSIDE), **ROUND_OFF)
    np.testing.assert_allclose(slope_of(ours, INSIDE), theirs(INSIDE, 1), **ROUND_OFF)
    np.testing.assert_allclose(_value(ours, X), TABLES[table], **ROUND_OFF)
    np.testing.assert_allclose(slope_of(ours, X), theirs(X, 1), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(ours.slopes(), theirs(X, 1), **ROUND_OFF)
    np.testing.assert_allclose(_curvature(ours, INSIDE), theirs(INSIDE, 2), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", SPLINES)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_short_tables(kind, n):
    x, y = X[:n], TABLES["falling"][:n]
    ours, theirs = kind(x, y), SPLINES[kind](x, y)
    points = np.linspace(x[0], x[-1], 11)
    np.testing.assert_allclose(ours(points), theirs(points), **ROUND_OFF)


@pytest.mark.parametrize("kind", SPLINES)
def test_goes_on_straight_outside(kind):
    y = TABLES["falling"]
    spline = kind(X, y)
    slopes = np.asarray(spline.slopes())
    left, right = y[0] + slopes[0] * OUTSIDE[:2], y[-1] + slopes[-1] * (OUTSIDE[2:] - 1.0)
    np.testing.assert_allclose(spline(OUTSIDE), np.concatenate([left, right]), **ROUND_OFF)
    expected = [slopes[0], slopes[0], slopes[-1], slopes[-1]]
    np.testing.assert_allclose(slope_of(spline, OUTSIDE), expected, **ROUND_OFF)


def test_derivative_through_the_values():
    spline = MonotoneSpline(X, Parameter(TABLES["falling"], unit="V"))
    assert [name for name, _ in spline.named_parameters()] == ["y"]
    points = jnp.asarray(INSIDE)

    @jax.jit
    def total(y):
        return jnp.sum(jnp.sin(spline.with_parameters({"y": y})(points)))

    y = jnp.asarray(TABLES["falling"])
    direction = jnp.cos(jnp.arange(7.0))
    exact = jnp.vdot(jax.grad(total)(y), direction)
    # Fourth-order differences: truncation and round-off both stay below 1e-9 of the slope.
    h = 1e-3
    steps = [total(y + s * h * direction) for s in (-2, -1, 1, 2)]
    difference = (steps[0] - 8 * steps[1] + 8 * steps[2] - steps[3]) / (12 * h)
    np.testing.assert_allclose(exact, difference, rtol=1e-8)


def _with_values(y, spline, points):
    return spline.with_parameters({"y": y})(points)


@pytest.mark.parametrize("table", TABLES)
def test_gradients_are_finite_also_on_plateaus(table):
    spline = MonotoneSpline(X, Parameter(TABLES[table], unit="V"))
    points = jnp.concatenate([jnp.asarray(X), jnp.asarray(OUTSIDE)])
    by_value = jax.jit(jax.jacfwd(_with_values))(spline.y, spline, points)
    assert np.all(np.isfinite(by_value))
    assert np.all(np.isfinite(slope_of(spline, points)))


@pytest.mark.parametrize("kind", SPLINES)
def test_jit_vmap_shapes(kind):
    spline = kind(X, TABLES["falling"])
    x = jnp.asarray(INSIDE[:6]).reshape(2, 3)
    assert spline(x).shape == (2, 3)
    assert spline(0.3).shape == ()
    np.testing.assert_allclose(jax.jit(lambda s, a: s(a))(spline, x), spline(x), rtol=1e-14)
    np.testing.assert_allclose(jax.vmap(spline)(x), spline(x), rtol=1e-14)


# One length, so that one compiled program serves all examples.
_steps = st.lists(st.floats(1e-3, 10.0), min_size=7, max_size=7)
_rises = st.lists(st.floats(0.0, 10.0), min_size=7, max_size=7)


@given(_steps, _rises)
def test_monotone_data_give_a_monotone_curve(steps, rises):
    x, y = np.cumsum(steps), np.cumsum(rises)
    fine = np.linspace(x[0], x[-1], 301)
    curve = np.asarray(_value(MonotoneSpline(x, y), fine))
    assert np.all(np.diff(curve) >= -1e-12 * (1.0 + abs(y[-1])))


@pytest.mark.parametrize("kind", SPLINES)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([0.0], [1.0], "at least 2"),
        ([0.0, 1.0], [1.0], "one length"),
        ([[0.0, 1.0]], [[1.0, 2.0]], "vectors"),
        ([0.0, 0.0, 1.0], [1.0, 2.0, 3.0], r"x\[1\]: got 0.0 after 0.0"),
        ([0.0, 2.0, 1.0], [1.0, 2.0, 3.0], r"x\[2\]: got 1.0 after 2.0"),
        ([0.0, np.nan], [1.0, 2.0], r"x\[1\]: got nan"),
        ([0.0, 1.0], [1.0, np.inf], r"y\[1\]: got inf"),
    ],
)
def test_refused(kind, x, y, message):
    with pytest.raises(ValueError, match=message):
        kind(x, y)
