"""Order of SPM and SPMe in the radius and in the thickness."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gradion.cell.models import SPM, AbstractCellModel, SPMe, build_cell
from gradion.cell.parameters import load_parameters
from gradion.numerics.integrate import Settings, System, solve
from gradion.testing import assert_order

TIGHT = Settings(rtol=1e-11, atol=1e-12, max_steps=2048)
TIME = 600.0


def _rate(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    model, current = theta
    return model.rate(u, current)


def _voltage(model: AbstractCellModel) -> float:
    current = model.cell.nominal_capacity

    @jax.jit
    def run(model: AbstractCellModel) -> Array:
        out = solve(
            System(_rate, structure=model.structure),
            (model, current),
            model.initial_state(),
            t_end=TIME,
            times=jnp.array([TIME]),
            settings=TIGHT,
        )
        return model.overpotentials(out.u_end, current).voltage()

    return float(run(model))


def test_second_order_in_r() -> None:
    cell = build_cell(load_parameters("chen2020"), isothermal=True)
    counts = (12, 24, 48)
    # The reference is eight times finer than the finest: it shifts the last slope by 0.02.
    exact = _voltage(SPM(cell, n_r=384))
    errors = [abs(_voltage(SPM(cell, n_r=n)) - exact) for n in counts]
    assert_order([1.0 / n for n in counts], errors, 2, within=0.2)


def test_second_order_in_x() -> None:
    cell = build_cell(load_parameters("chen2020"), isothermal=True)
    counts = (4, 8, 16)
    exact = _voltage(SPMe(cell, n_r=12, n_x=(128, 128, 128)))
    errors = [abs(_voltage(SPMe(cell, n_r=12, n_x=(n, n, n))) - exact) for n in counts]
    assert_order([1.0 / n for n in counts], errors, 2, within=0.2)
    # The error is resolved: far above the integrator's tolerance.
    assert errors[-1] > 1e-9
    assert np.all(np.diff(errors) < 0)
