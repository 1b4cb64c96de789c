"""Order of the integrator over fixed steps, for differential and algebraic unknowns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from gradion.numerics.integrate import ESDIRK43, Settings, Steps, System, solve
from gradion.testing import assert_order

COUNTS = (8, 16, 32, 64)
SETTINGS = Settings(newton_tolerance=0.0, max_steps=max(COUNTS))
EXACT = Settings(rtol=1e-11, atol=1e-12, max_steps=4096)


def _pendulum(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    return jnp.stack([u[1], -jnp.sin(u[0]) + theta * jnp.cos(t)])


def _with_constraint(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    # y' = z, 0 = z^3 + z - (theta y): the exact solution is implicit, so errors are against a
    # much finer run.
    return jnp.stack([u[1] * jnp.cos(t), u[1] ** 3 + u[1] + theta * u[0] - jnp.sin(t)])


SYSTEMS = {
    "ode": System(_pendulum),
    "dae": System(_with_constraint, algebraic=(False, True)),
}


@pytest.fixture(scope="module", params=sorted(SYSTEMS))
def ends(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """End states over COUNTS equal steps, in the middle of a step, and exact ones."""
    system = SYSTEMS[request.param]
    t_end = 2.0

    @jax.jit
    def run(count: Array) -> tuple[Array, Array]:
        h = jnp.full(SETTINGS.max_steps, t_end / count)
        kind = (jnp.arange(SETTINGS.max_steps) == count - 1).astype(jnp.int32)
        steps = Steps(h, kind, count)
        # A time at 0.4 of the step that holds the middle: dense output.
        middle = (jnp.floor(count * 0.5) + 0.4) * t_end / count
        out = solve(
            system,
            jnp.array(0.7),
            jnp.array([0.5, 0.2]),
            t_end=t_end,
            times=middle[None],
            settings=SETTINGS,
            replay=steps,
        )
        exact = solve(
            system,
            jnp.array(0.7),
            jnp.array([0.5, 0.2]),
            t_end=middle,
            times=middle[None],
            settings=EXACT,
        )
        return out.u_end, out.u[0] - exact.u_end

    runs = [run(jnp.array(c, jnp.int32)) for c in COUNTS]
    exact = solve(
        system,
        jnp.array(0.7),
        jnp.array([0.5, 0.2]),
        t_end=t_end,
        times=jnp.array([t_end]),
        settings=EXACT,
    )
    return np.array([r[0] for r in runs]), np.array([r[1] for r in runs]), np.array(exact.u_end)


def test_order_four_of_every_unknown(ends: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    coarse, _, exact = ends
    sizes = [2.0 / c for c in COUNTS]
    for j in range(2):
        assert_order(sizes, np.abs(coarse[:, j] - exact[j]), ESDIRK43.order, within=0.35)


def test_dense_output_is_of_order_four(ends: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    _, middle_error, _ = ends
    sizes = [2.0 / c for c in COUNTS]
    assert_order(sizes, np.linalg.norm(middle_error, axis=1), 4, within=0.35)


def test_order_conditions_of_the_tableau() -> None:
    a, c = ESDIRK43.matrix, ESDIRK43.nodes
    b = a[-1]
    embedded = b - ESDIRK43.error_weights

    def defects(w: np.ndarray) -> np.ndarray:
        third = [w.sum() - 1, w @ c - 1 / 2, w @ c**2 - 1 / 3, w @ a @ c - 1 / 6]
        fourth = [
            w @ c**3 - 1 / 4,
            w @ (c * (a @ c)) - 1 / 8,
            w @ a @ c**2 - 1 / 12,
            w @ a @ a @ c - 1 / 24,
        ]
        return np.abs([*third, *fourth])

    assert defects(b).max() < 1e-15
    assert defects(embedded)[:4].max() < 1e-15
    # Third order and no more: the difference estimates the error.
    assert defects(embedded)[4:].max() > 1e-4
