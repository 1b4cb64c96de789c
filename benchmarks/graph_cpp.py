"""Generated C++ beside XLA: the residual of a battery model of the DFN's size, 960 states.

    python benchmarks/graph_cpp.py

The model stands in for the DFN: 2 x 20 particles of 20 shells, 60 points of electrolyte, 60
electrolyte potentials and 40 solid potentials, with the laws of a Chen2020 cell. Competitors take
turns in one process; median (least) of the rounds.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from harness.rounds import compare, table

from gradion.cell.models import Cell, build_cell
from gradion.cell.parameters import load_parameters
from gradion.foundation.constants import F, R
from gradion.graph import Graph
from gradion.graph.cpp import CppFunction, compile_cpp
from gradion.numerics.mesh import RadialMesh

# Else small programs take one of two times.
jax.config.update("jax_cpu_enable_async_dispatch", False)

N_X, N_R = 20, 20
STATES = 2 * N_X * N_R + 3 * N_X + 3 * N_X + 2 * N_X
CALLS = 100
_Run = Callable[[], object]

# In a file of its own, so that the compiler knows nothing of what it repeats.
_LOOP = """
#include <cstddef>
using Function = void (*)(const void* const*, void* const*, void*);
extern "C" void repeat(Function f, const void* const* in, void* const* out, void* space, size_t n) {
  for (size_t i = 0; i < n; ++i) f(in, out, space);
}
"""
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-shared")


def particles(electrode, c_s, j, T):
    """Rate of change of the shells' stoichiometries [1/s] for surface currents j [A/m^2]."""
    mesh = RadialMesh(N_R)
    r = electrode.particle_radius
    D_s = electrode.D_s(c_s, T)
    D_face = 0.5 * (D_s[:, 1:] + D_s[:, :-1])
    inner = -D_face * (c_s[:, 1:] - c_s[:, :-1]) / (r * np.diff(mesh.centroids))
    surface = j / (F * electrode.c_max)
    flux = jnp.concatenate([jnp.zeros((N_X, 1)), inner, surface[:, None]], axis=1)
    return -(flux[:, 1:] * mesh.areas[1:] - flux[:, :-1] * mesh.areas[:-1]) / (r * mesh.volumes)


def reaction(electrode, c_s, c_e, eta_phi, T):
    """Surface current density [A/m^2] of Butler and Volmer."""
    x = c_s[:, -1]
    eta = eta_phi - electrode.open_circuit(x, T)
    j0 = electrode.kinetics.exchange_current(x, electrode.c_max, c_e, T)
    return 2.0 * j0 * jnp.sinh(F * eta / (2.0 * R * T))


def neighbours(value, conductivity, dx, left, right):
    """Divergence of conductivity * grad(value), with the fluxes at the two ends given."""
    face = 2.0 * conductivity[1:] * conductivity[:-1] / (conductivity[1:] + conductivity[:-1])
    inner = -face * (value[1:] - value[:-1]) / dx
    flux = jnp.concatenate([left[None], inner, right[None]])
    return (flux[1:] - flux[:-1]) / dx


def residual(cell: Cell, y: jax.Array, current: jax.Array) -> jax.Array:
    """Right-hand side of a DFN-like model, y [960] scaled, current [A/m^2]."""
    T = jnp.asarray(cell.thermal.T_initial)
    n = N_X * N_R
    c_n, c_p = y[:n].reshape(N_X, N_R), y[n : 2 * n].reshape(N_X, N_R)
    c_e, phi_e = y[2 * n : 2 * n + 3 * N_X], y[2 * n + 3 * N_X : 2 * n + 6 * N_X]
    phi_n, phi_p = y[-2 * N_X : -N_X], y[-N_X:]
    c_el = 1000.0 * c_e
    j_n = reaction(cell.negative, c_n, c_el[:N_X], phi_n - phi_e[:N_X], T)
    j_p = reaction(cell.positive, c_p, c_el[-N_X:], phi_p - phi_e[-N_X:], T)
    a_n, a_p = cell.negative.surface_area_density(), cell.positive.surface_area_density()
    source = jnp.concatenate([a_n * j_n, jnp.zeros(N_X), a_p * j_p])
    dx = (cell.negative.thickness + cell.separator.thickness + cell.positive.thickness) / (3 * N_X)
    zero = jnp.zeros(())
    D_e = cell.electrolyte.D_e(c_el, T)
    kappa = cell.electrolyte.kappa(c_el, T)
    salt = neighbours(c_el, 0.3 * D_e, dx, zero, zero)
    dc_e = (-salt + (1.0 - cell.electrolyte.t_plus) * source / F) / 300.0
    thermo = 2.0 * R * T / F * (1.0 - cell.electrolyte.t_plus)
    charge_e = neighbours(phi_e - thermo * jnp.log(c_e), 0.3 * kappa, dx, zero, zero)
    sigma_n = cell.negative.effective_conductivity() * jnp.ones(N_X)
    sigma_p = cell.positive.effective_conductivity() * jnp.ones(N_X)
    charge_n = neighbours(phi_n, sigma_n, dx, current, zero)
    charge_p = neighbours(phi_p, sigma_p, dx, zero, current)
    return jnp.concatenate(
        [
            particles(cell.negative, c_n, j_n, T).reshape(-1),
            particles(cell.positive, c_p, j_p, T).reshape(-1),
            dc_e,
            charge_e - source,
            charge_n + a_n * j_n,
            charge_p + a_p * j_p,
        ]
    )


def state() -> jax.Array:
    """A state not far from equilibrium, different at every point."""
    n = N_X * N_R
    ramp = np.linspace(0.0, 0.05, n)
    parts = [0.8 + ramp, 0.4 - ramp, 1.0 + 0.1 * np.linspace(-1, 1, 3 * N_X)]
    parts += [0.01 * np.linspace(1, -1, 3 * N_X), np.full(N_X, 0.1), np.full(N_X, 3.9)]
    return jnp.asarray(np.concatenate(parts))


def build(source: str, folder: Path) -> ctypes.CDLL:
    """The generated file as a library, with a loop over calls beside it."""
    (folder / "residual.cc").write_text(source, encoding="ascii")
    (folder / "loop.cc").write_text(_LOOP, encoding="ascii")
    start = time.perf_counter()
    command = ["g++", *_FLAGS, "residual.cc", "loop.cc", "-o", "residual.so"]
    subprocess.run(command, cwd=folder, check=True)
    seconds = time.perf_counter() - start
    lines = len(source.splitlines())
    print(f"g++ of value, jvp and vjp: {seconds:.1f} s of the clock, {lines} lines")
    return ctypes.CDLL(str(folder / "residual.so"))


def in_c(
    library: ctypes.CDLL, key: str, graph: Graph, arrays: list[jax.Array]
) -> Callable[[], list[np.ndarray]]:
    """Call a generated C function CALLS times in a loop of C; its results."""
    size = getattr(library, f"{key}_workspace")
    size.restype = ctypes.c_size_t
    pointer = ctypes.c_void_p
    given = [np.array(x) for x in arrays]
    out = [np.zeros(t.shape, t.dtype) for t in graph.outputs]
    space = np.zeros(size() + 64, np.uint8)
    inputs = (pointer * len(given))(*[x.ctypes.data for x in given])
    outputs = (pointer * len(out))(*[x.ctypes.data for x in out])
    aligned = pointer(space.ctypes.data + (-space.ctypes.data) % 64)
    function = ctypes.cast(getattr(library, key), pointer)

    def run(_kept: object = (given, space)) -> list[np.ndarray]:
        library.repeat(function, inputs, outputs, aligned, ctypes.c_size_t(CALLS))
        return out

    return run


def program(key: str, f: Callable, n: int) -> Callable:
    """The function f of n arrays, its jvp or its vjp, as a function of flat arrays."""
    return {
        "residual": f,
        "residual_jvp": lambda *a: jax.jvp(f, a[:n], a[n:])[1],
        "residual_vjp": lambda *a: jax.vjp(f, *a[:n])[1](*a[n:]),
    }[key]


def worst(found: Sequence, want: Sequence) -> float:
    """The largest difference over the largest number of a result, over all results."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(found, want, strict=True)]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs if b.any())


def competitors(generated: CppFunction, library: ctypes.CDLL, flat: list[jax.Array]) -> dict:
    """Value and derivatives, each in C, through the FFI and by XLA, on the same arrays."""
    reference = generated.operator.declaration.reference
    found: dict[str, _Run] = {}
    for key, graph in generated.graphs.items():
        more = [jnp.ones(t.shape, t.dtype) for t in graph.inputs[len(flat) :]]
        arrays = [*flat, *more]
        ffi = jax.jit(program(key, generated.operator, len(flat)))
        plain = program(key, reference, len(flat))
        xla = jax.jit(plain)
        run = in_c(library, key, graph, arrays)
        want = jax.tree.leaves(xla(*arrays))
        operations = sum(o.kind not in ("placeholder", "constant") for o in graph)
        print(
            f"{key}: {operations} operations, {len(arrays)} arrays; over the largest of a result, "
            f"C++ differs from XLA by {worst(run(), want):.0e}, XLA one operation after the other "
            f"by {worst(jax.tree.leaves(plain(*arrays)), want):.0e}"
        )
        found[f"{key}, C++ in a loop of C"] = run
        found[f"{key}, C++ through the FFI"] = lambda f=ffi, a=arrays: jax.block_until_ready(f(*a))
        found[f"{key}, XLA"] = lambda f=xla, a=arrays: jax.block_until_ready(f(*a))
    return found


def main() -> None:
    cell = build_cell(load_parameters("chen2020"))
    y, current = state(), jnp.asarray(10.0)
    generated = compile_cpp(residual, cell, y, current)
    source = generated.source()
    text = source.functions["residual"]
    print(f"jax {jax.__version__}, {STATES} states, {text.n_loops} loops")
    print(f"workspace {text.n_bytes} B, without reuse {text.unshared_bytes} B")
    flat = [jnp.asarray(x) for x in generated.arrays(cell, y, current)]
    # The cell's numbers as parts of the program: fewer to pass, and a new program for each cell.
    alone = {
        "C++ through the FFI": jax.jit(lambda y, i: generated(cell, y, i)),
        "XLA": jax.jit(lambda y, i: residual(cell, y, i)),
    }
    with tempfile.TemporaryDirectory() as folder:
        library = build(source.text, Path(folder))
        runs = competitors(generated, library, flat)
        for name, f in alone.items():
            runs[f"residual of state and current, {name}"] = lambda f=f: f(
                y, current
            ).block_until_ready()
        rows = []
        for name, times in compare(runs, calls=400).items():
            n = CALLS if "loop of C" in name else 1
            cpu = f"{times.median_cpu / n:.1f} ({times.least_cpu / n:.1f})"
            wall = f"{times.median_wall / n:.1f} ({min(times.wall) / n:.1f})"
            rows.append([name, cpu, wall])
    table(["program", "CPU [us]", "wall [us]"], rows)


if __name__ == "__main__":
    main()
