"""Generated C++ beside XLA: the residual of a battery model of the DFN's size, and its Jacobian.

    python benchmarks/graph_cpp.py

Competitors take turns in one process; median (least) of the rounds.
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
from graph_cpp_parts.battery_residual import STATES, residual, state
from graph_cpp_parts.coloured import coloured_jacobian
from harness.rounds import compare, table

from gradion.cell.models import build_cell
from gradion.cell.parameters import load_parameters
from gradion.graph import Graph
from gradion.graph.cpp import CppFunction, compile_cpp, write_cpp
from gradion.graph.sparse import sparse_jacobian

# Else small programs take one of two times.
jax.config.update("jax_cpu_enable_async_dispatch", False)

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


def build(source: str, folder: Path) -> float:
    """Compile a generated file into residual.so, with a loop over calls; seconds of g++."""
    (folder / "residual.cc").write_text(source, encoding="ascii")
    (folder / "loop.cc").write_text(_LOOP, encoding="ascii")
    command = ["g++", *_FLAGS, "residual.cc", "loop.cc", "-o", "residual.so"]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True)
    return time.perf_counter() - start


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
        if key == "residual_jacobian":
            continue
        # Uneven: where all are alike, results cancel to nothing but rounding.
        more = [
            (1.0 / jnp.arange(1.0, t.type.size + 1.0)).reshape(t.shape).astype(t.dtype)
            for t in graph.inputs[len(flat) :]
        ]
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


def jacobians(generated: CppFunction, library: ctypes.CDLL, arguments: tuple) -> dict:
    """All nonzeros of the Jacobian by the state: C++, XLA of the same graph, coloured, dense.

    The cell's numbers are parts of XLA's programs: fewer to pass.
    """
    cell, y, current = arguments
    pattern = generated.jacobian.pattern
    made = sparse_jacobian(residual, *arguments, of=1)
    coloured, n_colours = coloured_jacobian(lambda y, i: residual(cell, y, i), pattern)
    functions = {
        "C++ through the FFI": lambda y, i: generated.jacobian(cell, y, i),
        "XLA of the same graph": lambda y, i: made(cell, y, i),
        f"XLA of {n_colours} colours": coloured,
        "XLA, dense": jax.jacfwd(lambda y, i: residual(cell, y, i)),
    }
    arrays = [jnp.asarray(x) for x in generated.arrays(*arguments)]
    graph = generated.graphs["residual_jacobian"]
    in_loop = in_c(library, "residual_jacobian", graph, arrays)
    found: dict[str, _Run] = {"jacobian, C++ in a loop of C": in_loop}
    for name, function in functions.items():
        compiled = jax.jit(function)
        found[f"jacobian, {name}"] = lambda f=compiled: f(y, current).block_until_ready()
    dense = np.asarray(found["jacobian, XLA, dense"]())
    want = dense[pattern.rows, pattern.indices]
    print(
        f"jacobian: {pattern.size} entries, {np.count_nonzero(dense)} of the dense one are not 0; "
        f"C++ differs from it by {worst(in_loop(), [want]):.0e} of the largest entry, colours by "
        f"{worst([found[f'jacobian, XLA of {n_colours} colours']()], [want]):.0e}"
    )
    return found


def compiler_seconds(generated: CppFunction, folder: Path) -> ctypes.CDLL:
    """Print how long g++ takes; the library of all functions."""
    residual_alone = ("residual",)
    with_jacobian = ("residual", "residual_jacobian")
    for keys in (residual_alone, with_jacobian, tuple(generated.graphs)):
        text = write_cpp({key: generated.graphs[key] for key in keys}).text
        seconds = build(text, folder)
        print(f"g++ of {', '.join(keys)}: {seconds:.1f} s, {len(text.splitlines())} lines")
    return ctypes.CDLL(str(folder / "residual.so"))


def main() -> None:
    cell = build_cell(load_parameters("chen2020"))
    y, current = state(), jnp.asarray(10.0)
    start = time.perf_counter()
    sparse_jacobian(residual, cell, y, current, of=1)
    seconds = time.perf_counter() - start
    generated = compile_cpp(residual, cell, y, current, jacobian_of=1)
    source = generated.source()
    print(f"jax {jax.__version__}, {STATES} states; the graph of the Jacobian in {seconds:.1f} s")
    for key, text in source.functions.items():
        print(
            f"{key}: {text.n_loops} loops, workspace {text.n_bytes} B, without reuse "
            f"{text.unshared_bytes} B"
        )
    flat = [jnp.asarray(x) for x in generated.arrays(cell, y, current)]
    # The cell's numbers as parts of the program: fewer to pass, and a new program for each cell.
    alone = {
        "C++ through the FFI": jax.jit(lambda y, i: generated(cell, y, i)),
        "XLA": jax.jit(lambda y, i: residual(cell, y, i)),
    }
    with tempfile.TemporaryDirectory() as folder:
        library = compiler_seconds(generated, Path(folder))
        runs = competitors(generated, library, flat)
        for name, f in alone.items():
            runs[f"residual of state and current, {name}"] = lambda f=f: f(
                y, current
            ).block_until_ready()
        runs |= jacobians(generated, library, (cell, y, current))
        rows = []
        for name, times in compare(runs, calls=400).items():
            n = CALLS if "loop of C" in name else 1
            cpu = f"{times.median_cpu / n:.1f} ({times.least_cpu / n:.1f})"
            wall = f"{times.median_wall / n:.1f} ({min(times.wall) / n:.1f})"
            rows.append([name, cpu, wall])
    table(["program", "CPU [us]", "wall [us]"], rows)


if __name__ == "__main__":
    main()
