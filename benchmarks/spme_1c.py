"""One warm 1C discharge, its adjoint gradient and its Jacobian, beside PyBaMM's IDAKLU.

Run: ``python benchmarks/spme_1c.py`` with PyBaMM installed (extra ``peers``). CPU time of the whole
process, medians; both programs in one run, one thread each, at rtol 1e-6 and atol 1e-8.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import gradion
from gradion.cell.models import SPMe, build_cell
from gradion.cell.parameters import load_parameters
from gradion.numerics.integrate import Settings, System, solve

RTOL, ATOL, REPEATS = 1e-6, 1e-8, 21
TIMES = np.linspace(0.0, 3400.0, 240)
NAMES = (
    "cell.negative.D_s.value",
    "cell.positive.D_s.value",
    "cell.negative.active_fraction",
    "cell.positive.active_fraction",
    "cell.negative.thickness",
    "cell.negative.kinetics.k",
    "cell.positive.kinetics.k",
    "cell.negative.porosity",
    "cell.electrolyte.D_e.scale",
    "cell.electrolyte.kappa.scale",
)
# Inputs of PyBaMM that need no rebuilt mesh, with the same number of parameters.
PYBAMM_INPUTS = (
    "Negative particle diffusivity [m2.s-1]",
    "Positive particle diffusivity [m2.s-1]",
    "Negative electrode active material volume fraction",
    "Positive electrode active material volume fraction",
    "Negative electrode porosity",
    "Positive electrode porosity",
    "Separator porosity",
    "Cation transference number",
    "Contact resistance [Ohm]",
    "Negative electrode Bruggeman coefficient (electrolyte)",
)


def median_cpu_ms(call: Callable[[], Any]) -> tuple[float, float]:
    """Median and minimum CPU time of a call [ms], after two warm-up calls."""
    call()
    call()
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        spent.append(1e3 * (time.process_time() - start))
    return statistics.median(spent), min(spent)


def _rate(_t: Array, u: Array, theta: Any, _phase: Array) -> Array:
    model, current = theta
    return model.rate(u, current)


def ours() -> dict[str, tuple[float, float]]:
    """Solve, adjoint gradient of a sum of squares, and forward Jacobian of 240 voltages."""
    model = SPMe(build_cell(load_parameters("chen2020"), isothermal=True))
    system = System(_rate, structure=model.structure)
    settings = Settings(rtol=RTOL, atol=ATOL, max_steps=256)
    current = model.cell.nominal_capacity

    def voltage(values: Array) -> Array:
        changed = model.with_parameters(dict(zip(NAMES, values, strict=True)))
        out = solve(
            system,
            (changed, current),
            changed.initial_state(),
            t_end=TIMES[-1],
            times=jnp.asarray(TIMES),
            settings=settings,
        )
        return jax.vmap(lambda u: changed.overpotentials(u, current).voltage())(out.u)

    at = jnp.array([model.get_parameter(name).value for name in NAMES])
    forward = jax.jit(voltage)
    gradient = jax.jit(jax.value_and_grad(lambda p: jnp.sum((voltage(p) - 3.7) ** 2)))
    jacobian = jax.jit(jax.jacfwd(voltage))
    return {
        "solve, 240 voltages": median_cpu_ms(lambda: jax.block_until_ready(forward(at))),
        "value and adjoint gradient, 10 parameters": median_cpu_ms(
            lambda: jax.block_until_ready(gradient(at))
        ),
        "Jacobian of 240 voltages, 10 parameters": median_cpu_ms(
            lambda: jax.block_until_ready(jacobian(at))
        ),
    }


def pybamm_times() -> dict[str, tuple[float, float]]:
    """The same with IDAKLU: it has forward sensitivities and no adjoint."""
    import pybamm

    def simulation(inputs: tuple[str, ...]) -> tuple[Any, dict[str, float]]:
        values = pybamm.ParameterValues("Chen2020")
        at = {}
        for name in inputs:
            at[name] = float(values[name])
            values[name] = "[input]"
        solver = pybamm.IDAKLUSolver(rtol=RTOL, atol=ATOL)
        return (
            pybamm.Simulation(pybamm.lithium_ion.SPMe(), parameter_values=values, solver=solver),
            at,
        )

    plain, _ = simulation(())
    with_inputs, at = simulation(PYBAMM_INPUTS)
    span = [0.0, TIMES[-1]]

    def solve_plain() -> Any:
        return plain.solve(span, t_interp=TIMES)["Terminal voltage [V]"].data

    def solve_sensitivities() -> Any:
        out = with_inputs.solve(span, t_interp=TIMES, inputs=at, calculate_sensitivities=True)
        return out["Terminal voltage [V]"].sensitivities

    forward = median_cpu_ms(solve_sensitivities)
    bare = median_cpu_ms(lambda: plain.solve(span))
    print(f"IDAKLU, the integration alone without output: {bare[0]:.2f} ({bare[1]:.2f}) ms")
    return {
        "solve, 240 voltages": median_cpu_ms(solve_plain),
        "value and adjoint gradient, 10 parameters": forward,
        "Jacobian of 240 voltages, 10 parameters": forward,
    }


def main() -> None:
    """Print the table."""
    import pybamm

    print(f"gradion {gradion.__version__}, jax {jax.__version__}, PyBaMM {pybamm.__version__}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    mine, theirs = ours(), pybamm_times()
    print("CPU time [ms], median (minimum) of", REPEATS)
    for name, (median, least) in mine.items():
        other, other_least = theirs[name]
        print(
            f"{name:45s} gradion {median:7.2f} ({least:.2f})   "
            f"IDAKLU {other:7.2f} ({other_least:.2f})   ratio {median / other:.2f}"
        )


if __name__ == "__main__":
    main()
