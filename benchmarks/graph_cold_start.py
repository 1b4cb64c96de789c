"""A new process to its first result: jit, JAX's cache of programs, gradion's cache of executables.

    python benchmarks/graph_cold_start.py [step | residual]

Two programs: a training step of a small network (64-128-128-1, batch of 64, float32), and the
residual of `graph_cpp.py` (960 states). Every figure is of whole processes, which take turns; the
median of the rounds. "imports" is what stands before: Python, JAX, what else is imported, the
arrays. "result" is the rest: tracing or reading a graph, compiling or loading, one run. The row
with a file reads the graph from it and needs none of the code that the program is of.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.parts import print_parts
from harness.rounds import table

ROUNDS = 7
WIDTHS = (64, 128, 128, 1)
BATCH = 64
RATE = 0.05
HERE = Path(__file__).resolve()

COLD, DEFAULT, SMALL = "jit, no cache", "jit, JAX's cache", "jit, JAX's cache, no threshold"
FIRST, AGAIN, FILE = "gradion, first run", "gradion, cached", "gradion, cached, graph of a file"
VARIANTS = (COLD, DEFAULT, SMALL, FIRST, AGAIN, FILE)
# Those whose cache is filled before.
WARM = (DEFAULT, SMALL, AGAIN, FILE)


def network_arrays() -> list[Any]:
    """Weights and biases, then the examples and what is wanted of them."""
    import numpy as np

    random = np.random.default_rng(0)
    pairs = itertools.pairwise(WIDTHS)
    arrays = [a for n, m in pairs for a in (random.normal(size=(n, m)) / n**0.5, np.zeros(m))]
    arrays += [random.normal(size=(BATCH, WIDTHS[0])), random.normal(size=(BATCH, 1))]
    return [array.astype(np.float32) for array in arrays]


def network_step(*arrays: Any) -> list[Any]:
    """One step of gradient descent; new weights and biases, and the loss before it."""
    import jax
    import jax.numpy as jnp

    *weights, x, y = arrays

    def loss(weights: list[Any]) -> Any:
        h = x
        for W, b in zip(weights[0::2], weights[1::2], strict=True):
            h = h @ W + b if W is weights[-2] else jnp.tanh(h @ W + b)
        return jnp.mean((h - y) ** 2)

    value, slopes = jax.value_and_grad(loss)(weights)
    return [*(w - RATE * g for w, g in zip(weights, slopes, strict=True)), value]


def step() -> tuple[Callable, list[Any]]:
    """The training step and its arrays."""
    return network_step, network_arrays()


def residual() -> tuple[Callable, list[Any]]:
    """The residual as a function of flat arrays, and these."""
    import jax
    import numpy as np
    from graph_cpp import residual as function
    from graph_cpp import state

    from gradion.cell.models import build_cell
    from gradion.cell.parameters import load_parameters

    cell = build_cell(load_parameters("chen2020"))
    leaves, tree = jax.tree.flatten((cell, state(), np.float64(10.0)))
    arrays = [np.asarray(leaf) for leaf in leaves]
    return lambda *flat: [function(*jax.tree.unflatten(tree, flat))], arrays


PROGRAMS = {"step": step, "residual": residual}


def run_jit(program: str) -> tuple[float, float]:
    """Compile by jax.jit and run; when that began [s], of the clock and of the CPU."""
    import jax
    import numpy as np

    if program == "residual":
        import gradion  # noqa: F401 - float64
    function, arrays = PROGRAMS[program]()
    began = time.perf_counter(), time.process_time()
    for result in jax.jit(function)(*arrays):
        np.asarray(result)
    return began


def run_gradion(program: str, file: Path | None) -> tuple[float, float]:
    """The same by way of a graph, captured or read from a file, and the cache of executables."""
    import numpy as np

    from gradion.graph import capture
    from gradion.graph.definition import load
    from gradion.graph.xla import compile_xla, user_cache

    if file is None:
        function, arrays = PROGRAMS[program]()
    else:
        function, arrays = None, list(np.load(file.with_suffix(".npz")).values())
    began = time.perf_counter(), time.process_time()
    graph = load(file).graph if file is not None else capture(function, *arrays)
    for result in compile_xla(graph, cache=user_cache()).call(*arrays):
        np.asarray(result)
    return began


def write_file(program: str, file: Path) -> None:
    """The graph as a file, and the arrays."""
    import numpy as np

    from gradion.graph import capture
    from gradion.graph.definition import GraphDef, save

    function, arrays = PROGRAMS[program]()
    save(GraphDef(capture(function, *arrays)), file)
    np.savez(file.with_suffix(".npz"), *arrays)


def child(variant: str, program: str, folder: Path) -> None:
    """One process that is timed."""
    if variant in (COLD, DEFAULT, SMALL):
        began = run_jit(program)
    else:
        began = run_gradion(program, folder / "graph.gradion" if variant == FILE else None)
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    print(json.dumps({"wall": wall, "cpu": cpu}))


def environment(variant: str, folder: Path) -> dict[str, str]:
    """The variables of one process: nothing of the caller's caches."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "GRADION_"))}
    kept |= {"JAX_PLATFORMS": "cpu", "GRADION_CACHE": str(folder / "gradion")}
    if variant in (DEFAULT, SMALL):
        kept["JAX_COMPILATION_CACHE_DIR"] = str(folder / f"jax-{VARIANTS.index(variant)}")
    if variant == SMALL:
        kept["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        kept["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    return kept


def process(variant: str, program: str, folder: Path) -> dict[str, float]:
    """Seconds of one process: all of it and from the imports on, of the clock and of the CPU."""
    command = [sys.executable, str(HERE), "--child", variant, program, str(folder)]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(
        command, env=environment(variant, folder), capture_output=True, text=True, check=True
    )
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    result = json.loads(done.stdout.splitlines()[-1])
    return {
        "whole wall": wall,
        "whole cpu": cpu,
        "result wall": result["wall"],
        "result cpu": result["cpu"],
    }


def report(program: str) -> None:
    """The table of one program."""
    times: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_file(program, folder / "graph.gradion")
        for variant in WARM:
            process(variant, program, folder)
        for number in range(ROUNDS):
            for variant in VARIANTS:
                place = folder
                if variant == FIRST:  # each time a cache of its own
                    place = folder / str(number)
                times[variant].append(process(variant, program, place))
    print(f"{program}, {ROUNDS} rounds")
    rows = []
    cold = times[COLD]
    for variant, found in times.items():
        row = [variant]
        for part in ("wall", "cpu"):
            whole = statistics.median(t[f"whole {part}"] for t in found)
            result = statistics.median(t[f"result {part}"] for t in found)
            row += [f"{whole - result:.2f}", f"{result:.3f}", f"{whole:.2f}"]
        for key in ("result wall", "whole wall"):
            ratios = [a[key] / b[key] for a, b in zip(found, cold, strict=True)]
            row.append(f"{statistics.median(ratios):.2f}")
        rows.append(row)
    head = ["", "imports, wall [s]", "result", "whole", "imports, CPU [s]", "result", "whole"]
    table([*head, "result / cold jit", "whole / cold jit"], rows)


def main(arguments: Sequence[str]) -> None:
    """Print the tables, or be one of the processes."""
    if arguments[:1] == ["--child"]:
        _, variant, program, folder = arguments
        child(variant, program, Path(folder))
        return
    parts = {name: (lambda name=name: report(name)) for name in PROGRAMS}
    print_parts(parts, arguments, packages=("jax", "jaxlib", "numpy", "gradion"))


if __name__ == "__main__":
    main(sys.argv[1:])
