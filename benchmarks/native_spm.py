"""One 1C discharge of a single particle model: the native example beside PyBaMM's IDAKLU.

Run: ``python benchmarks/native_spm.py`` with PyBaMM installed (extra ``peers``). Both programs in
one process and in turn, each called once just before it is timed, one thread each unless a row says
otherwise, at rtol 1e-6 and atol 1e-8, 240 voltages. CPU time of the whole process, medians.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
os.environ["GRADION_NUM_THREADS"] = "1"
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "native" / "spm"))

import jax
import jax.numpy as jnp
import numpy as np
from cell_groups import Cell
from chen2020 import chen2020
from jax import Array
from spm import Settings, discharge

import gradion

# Else small programs take one of two times.
jax.config.update("jax_cpu_enable_async_dispatch", False)

REPEATS = 41
TIMES = np.linspace(0.0, 3400.0, 240)
CELL = chen2020()
# Inputs of PyBaMM that need no rebuilt mesh; the first ten are all that its SPM depends on.
PYBAMM_INPUTS = (
    "Negative particle diffusivity [m2.s-1]",
    "Positive particle diffusivity [m2.s-1]",
    "Negative electrode active material volume fraction",
    "Positive electrode active material volume fraction",
    "Initial concentration in negative electrode [mol.m-3]",
    "Initial concentration in positive electrode [mol.m-3]",
    "Maximum concentration in negative electrode [mol.m-3]",
    "Maximum concentration in positive electrode [mol.m-3]",
    "Contact resistance [Ohm]",
    "Current function [A]",
    "Ambient temperature [K]",
    "Initial temperature [K]",
    "Reference temperature [K]",
    "Nominal cell capacity [A.h]",
    "Number of electrodes connected in parallel to make a cell",
    "Number of cells connected in series to make a battery",
    "Cation transference number",
    "Negative electrode porosity",
    "Positive electrode porosity",
    "Separator porosity",
)


def cells(values: Array) -> Cell:
    """The cell as a function of 20 numbers, 1 each: the first ten are those of PyBaMM."""
    n, p = CELL.negative, CELL.positive
    v = values
    return CELL._replace(
        negative=n._replace(
            D_s=n.D_s * v[0],
            active_fraction=n.active_fraction * v[2],
            initial_stoichiometry=n.initial_stoichiometry * v[4] / v[6],
            c_max=n.c_max * v[6],
            thickness=n.thickness * v[10],
            particle_radius=n.particle_radius * v[12],
            k=n.k * v[14],
            D_s_exponent=n.D_s_exponent + v[18] - 1.0,
        ),
        positive=p._replace(
            D_s=p.D_s * v[1],
            active_fraction=p.active_fraction * v[3],
            initial_stoichiometry=p.initial_stoichiometry * v[5] / v[7],
            c_max=p.c_max * v[7],
            thickness=p.thickness * v[11],
            particle_radius=p.particle_radius * v[13],
            k=p.k * v[15],
            D_s_exponent=p.D_s_exponent + v[19] - 1.0,
        ),
        contact_resistance=CELL.contact_resistance + v[8] - 1.0,
        current=CELL.current * v[9],
        area=CELL.area * v[16],
        T=CELL.T * v[17],
    )


def voltage(values: Array, settings: Settings) -> Array:
    """240 voltages [V] for as many of the 20 numbers as are given."""
    padded = jnp.concatenate([values, jnp.ones(20 - values.shape[0])])
    return discharge(cells(padded), TIMES, settings=settings).voltage


def native(settings: Settings) -> dict[str, Callable[[], Any]]:
    """The calls that are timed, compiled."""

    def loss(values: Array) -> Array:
        return jnp.sum((voltage(values, settings) - 3.7) ** 2)

    solve = jax.jit(lambda values: voltage(values, settings))
    gradient = jax.jit(jax.value_and_grad(loss))
    jacobian = jax.jit(jax.jacfwd(lambda values: voltage(values, settings)))
    ten = jnp.ones(10)
    calls: dict[str, Callable[[], Any]] = {"solve": lambda: solve(ten)}
    for count in (10, 20):
        at = jnp.ones(count)
        calls[f"value and adjoint gradient, {count} parameters"] = lambda at=at: gradient(at)
        calls[f"Jacobian, {count} parameters"] = lambda at=at: jacobian(at)
    return {name: lambda call=call: jax.block_until_ready(call()) for name, call in calls.items()}


def batch(count: int, settings: Settings) -> Callable[[], Any]:
    """A call for many cells whose parameters differ by a few percent."""
    many = 1.0 + 0.03 * jax.random.normal(jax.random.key(0), (count, 10))
    solve = jax.jit(jax.vmap(lambda values: voltage(values, settings)))
    return lambda: jax.block_until_ready(solve(many))


class Idaklu:
    """PyBaMM's SPM with some parameters as inputs."""

    def __init__(self, inputs: tuple[str, ...], rtol: float, atol: float, points: int = 20) -> None:
        import pybamm

        values = pybamm.ParameterValues("Chen2020")
        self.at = {}
        for name in inputs:
            self.at[name] = float(values.evaluate(values[name]))
            values[name] = "[input]"
        self.simulation = pybamm.Simulation(
            pybamm.lithium_ion.SPM({"contact resistance": "true"} if inputs else {}),
            parameter_values=values,
            var_pts={"x_n": 20, "x_s": 20, "x_p": 20, "r_n": points, "r_p": points},
            solver=pybamm.IDAKLUSolver(rtol=rtol, atol=atol),
        )

    def voltage(self) -> np.ndarray:
        """240 voltages [V]."""
        out = self.simulation.solve([0.0, TIMES[-1]], t_interp=TIMES, inputs=self.at)
        return np.asarray(out["Terminal voltage [V]"].data)

    def bare(self) -> Any:
        """The integration alone, without output times."""
        return self.simulation.solve([0.0, TIMES[-1]], inputs=self.at)

    def sensitivities(self) -> Any:
        """Derivatives of the 240 voltages by all inputs."""
        out = self.simulation.solve(
            [0.0, TIMES[-1]], t_interp=TIMES, inputs=self.at, calculate_sensitivities=True
        )
        return out["Terminal voltage [V]"].sensitivities


def measure(calls: dict[str, Callable[[], Any]], repeats: int = REPEATS) -> dict[str, list[float]]:
    """Median CPU and wall time [ms] of each, all of them in turn."""
    for call in calls.values():
        call()
        call()
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            call()  # so that all of them are timed with their own data in the caches
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            spent[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: [1e3 * statistics.median(x) for x in zip(*times, strict=True)]
        for name, times in spent.items()
    }


def errors() -> None:
    """Errors at the solver's tolerances, against the same mesh at tight ones."""
    for rtol, atol in ((1e-4, 1e-6), (1e-6, 1e-8), (1e-8, 1e-10)):
        at = jnp.ones(10)
        ours = voltage(at, Settings(rtol=rtol, atol=atol, max_steps=2000))
        exact = voltage(at, Settings(rtol=1e-11, atol=1e-13, max_steps=20000))
        theirs = Idaklu((), rtol, atol).voltage() - Idaklu((), 1e-11, 1e-13).voltage()
        print(
            f"rtol {rtol:.0e}: rms (largest) error of the time integration [mV]: native "
            f"{_size(ours - exact)}, IDAKLU {_size(theirs)}"
        )
    fine = Idaklu((), 1e-9, 1e-10, 400).voltage()
    default = Idaklu((), 1e-9, 1e-10).voltage()
    print(
        f"mesh, against 400 points in PyBaMM: native, 24 shells {_size(exact - fine)}, "
        f"PyBaMM, 20 points {_size(default - fine)}"
    )


def _size(error: Any) -> str:
    # The first instant is left out: PyBaMM's surface value does not know its slope.
    e = 1e3 * np.asarray(error)[1:]
    return f"{np.sqrt(np.mean(e**2)):.2g} ({np.abs(e).max():.2g})"


def main() -> None:
    """Print the table."""
    import pybamm

    print(f"gradion {gradion.__version__}, jax {jax.__version__}, PyBaMM {pybamm.__version__}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    ours, tight = Settings(), (1e-6, 1e-8)
    plain, loose = Idaklu((), *tight), Idaklu((), 1e-4, 1e-6)
    some, many = Idaklu(PYBAMM_INPUTS[:10], *tight), Idaklu(PYBAMM_INPUTS, *tight)
    calls = {
        **{f"native: {name}": call for name, call in native(ours).items()},
        "native: solve at rtol 1e-4": native(Settings(rtol=1e-4, atol=1e-6))["solve"],
        "IDAKLU: solve": plain.voltage,
        "IDAKLU: the integration alone": plain.bare,
        "IDAKLU: solve at rtol 1e-4": loose.voltage,
        "IDAKLU: the integration alone at rtol 1e-4": loose.bare,
        "IDAKLU: Jacobian, 10 parameters": some.sensitivities,
        "IDAKLU: Jacobian, 20 parameters": many.sensitivities,
    }
    print(f"{'time [ms], median of ' + str(REPEATS):50s} {'CPU':>8s} {'wall':>8s}")
    for name, (cpu, wall) in measure(calls).items():
        print(f"{name:50s} {cpu:8.3f} {wall:8.3f}", flush=True)
    # Threads are XLA's: the rows that use several are timed by a process that has them.
    child = {**os.environ, "XLA_FLAGS": ""}
    subprocess.run([sys.executable, __file__, "--batches"], env=child, check=True)
    errors()


def batches() -> None:
    """Print the rows of many cells."""
    for count in (100, 1000):
        call = batch(count, Settings())
        for threads in (1, 2):
            os.environ["GRADION_NUM_THREADS"] = str(threads)
            ((cpu, wall),) = measure({"": call}, 11).values()
            print(f"{f'native: {count} cells, {threads} threads':50s} {cpu:8.3f} {wall:8.3f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--batches"]:
        batches()
    else:
        main()
