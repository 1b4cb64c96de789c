"""Five parameters from two noisy discharges: by Levenberg-Marquardt, and by BFGS on a scalar loss.

Levenberg-Marquardt asks for a Jacobian: one native call, whose tangents share every factorisation.
BFGS asks for a gradient: one native call that goes backwards through its own steps.
"""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optimistix as optx
from cell_groups import Cell
from chen2020 import chen2020
from jax import Array
from spm import discharge

NOISE = 1e-3  # [V]
CURRENTS = jnp.array([2.5, 10.0])  # [A] C/2 and 2C
TIMES = jnp.array([[7400.0], [1700.0]]) * jnp.linspace(0.0, 1.0, 120)  # [s]


class Wanted(NamedTuple):
    """The parameters that are fitted, as logarithms."""

    D_s_n: Array
    D_s_p: Array
    active_n: Array
    active_p: Array
    R_contact: Array


def changed(cell: Cell, wanted: Wanted) -> Cell:
    """The cell with these parameters."""
    v = jax.tree.map(jnp.exp, wanted)
    return cell._replace(
        negative=cell.negative._replace(D_s=v.D_s_n, active_fraction=v.active_n),
        positive=cell.positive._replace(D_s=v.D_s_p, active_fraction=v.active_p),
        contact_resistance=v.R_contact,
    )


def voltages(cell: Cell) -> Array:
    """Both discharges [2, 120] [V], in one native call."""
    return jax.vmap(lambda current, t: discharge(cell._replace(current=current), t).voltage)(
        CURRENTS, TIMES
    )


def main() -> None:
    """Fit, and print what was found and what it took."""
    cell = chen2020()._replace(contact_resistance=jnp.array(0.010))
    n, p = cell.negative, cell.positive
    at = (n.D_s, p.D_s, n.active_fraction, p.active_fraction, cell.contact_resistance)
    truth = Wanted(*map(jnp.log, at))
    noise = NOISE * jax.random.normal(jax.random.key(0), TIMES.shape)
    data = voltages(changed(cell, truth)) + noise
    start = Wanted(*(x + d for x, d in zip(truth, (0.5, -0.5, 0.06, 0.08, 0.7), strict=True)))

    def residual(wanted: Wanted, _: None) -> Array:
        return (voltages(changed(cell, wanted)) - data) / NOISE

    def loss(wanted: Wanted, _: None) -> Array:
        return 0.5 * jnp.mean(residual(wanted, None) ** 2)

    @jax.jit
    def by_levenberg_marquardt(wanted: Wanted) -> tuple[Wanted, Array]:
        solver = optx.LevenbergMarquardt(rtol=1e-5, atol=1e-5)
        found = optx.least_squares(residual, solver, wanted, options={"jac": "fwd"})
        return found.value, found.stats["num_steps"]

    @jax.jit
    def by_bfgs(wanted: Wanted) -> tuple[Wanted, Array]:
        found = optx.minimise(loss, optx.BFGS(rtol=1e-7, atol=1e-7), wanted, max_steps=1000)
        return found.value, found.stats["num_steps"]

    def report(name: str, found: Wanted, how: str) -> None:
        errors = [abs(float(jnp.expm1(a - b))) for a, b in zip(found, truth, strict=True)]
        rms = 1e3 * NOISE * float(jnp.sqrt(2.0 * loss(found, None)))
        print(
            f"{name:20s} rms {rms:7.3f} mV, worst parameter off by {100 * max(errors):.2f} %{how}"
        )

    report("start", start, "")
    report("truth", truth, "")
    for name, fit in (("Levenberg-Marquardt", by_levenberg_marquardt), ("BFGS", by_bfgs)):
        jax.block_until_ready(fit(start))  # compiles
        began = time.perf_counter()
        found, steps = jax.block_until_ready(fit(start))
        spent = 1e3 * (time.perf_counter() - began)
        report(name, found, f", {int(steps)} steps in {spent:.1f} ms")


if __name__ == "__main__":
    main()
