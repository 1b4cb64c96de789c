"""What the passes do to real graphs: operations, memory, and the time of the C++ and of XLA.

    python benchmarks/graph_passes.py

The graphs are the residual of the 960-state model of graph_cpp.py, its vector-Jacobian product,
and a training step of a perceptron 64-128-128-1 with batch 64. Each is taken as it was captured
and after the passes for back ends. Competitors take turns in one process; median (least) of the
rounds.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from graph_cpp import CALLS, build, in_c
from graph_cpp_parts.battery_residual import residual, state
from harness.rounds import compare, table

from gradion.cell.models import build_cell
from gradion.cell.parameters import load_parameters
from gradion.graph import Graph, capture, evaluate
from gradion.graph.cpp import write_cpp
from gradion.graph.memory_plan import compiled_memory, plan_memory
from gradion.graph.passes import BACK_END_PASSES, optimise

jax.config.update("jax_cpu_enable_async_dispatch", False)


def train_step(p: list, x: jax.Array, y: jax.Array) -> tuple[list, jax.Array]:
    """A step of gradient descent and the loss before it."""

    def loss(p: list) -> jax.Array:
        h = jnp.tanh(x @ p[0] + p[1])
        h = jnp.tanh(h @ p[2] + p[3])
        return jnp.mean((h @ p[4] + p[5] - y) ** 2)

    value, slope = jax.value_and_grad(loss)(p)
    return [a - 0.01 * b for a, b in zip(p, slope, strict=True)], value


def programs() -> dict[str, tuple[Callable[..., Any], tuple]]:
    """Functions and their arguments."""
    cell, y, current = build_cell(load_parameters("chen2020")), state(), jnp.asarray(10.0)
    rng = np.random.default_rng(0)
    shapes = ((64, 128), (128,), (128, 128), (128,), (128, 1), (1,), (64, 64), (64, 1))
    *p, x, target = (rng.normal(size=s, scale=0.1).astype(np.float32) for s in shapes)

    def pulled(cell: Any, y: jax.Array, current: jax.Array, w: jax.Array) -> Any:
        return jax.vjp(residual, cell, y, current)[1](w)

    return {
        "residual": (residual, (cell, y, current)),
        "residual_vjp": (pulled, (cell, y, current, jnp.ones_like(y))),
        "train_step": (train_step, (p, x, target)),
    }


def xla(graph: Graph, arrays: list) -> Callable[[], Any]:
    """Call the graph compiled by XLA."""
    compiled = jax.jit(lambda *a: evaluate(graph, a))
    return lambda: jax.block_until_ready(compiled(*arrays))


def main() -> None:
    """Measure and print."""
    print(f"jax {jax.__version__}")
    graphs: dict[str, Graph] = {}
    arrays: dict[str, list] = {}
    for name, (function, arguments) in programs().items():
        graph = capture(function, *arguments)
        start = time.process_time()
        result = optimise(graph, BACK_END_PASSES)
        seconds = time.process_time() - start
        print(f"\n{name}: passes took {seconds:.2f} s of CPU\n{result.report}\n")
        compiled = compiled_memory(jax.jit(function).lower(*arguments).compile())
        for what, one in (("as captured", graph), ("after the passes", result.graph)):
            print(f"{what}\n{plan_memory(one).beside(compiled)}")
        graphs |= {name: graph, f"{name}_passed": result.graph}
        leaves = [jnp.asarray(x) for x in jax.tree.leaves(arguments)]
        arrays |= dict.fromkeys((name, f"{name}_passed"), leaves)
    source = write_cpp(graphs)
    for name, function in source.functions.items():
        print(f"{name}: {function.n_loops} loops, workspace {function.n_bytes} B")
    with tempfile.TemporaryDirectory() as folder:
        seconds = build(source.text, Path(folder))
        print(f"g++ of all six: {seconds:.1f} s of the clock")
        library = ctypes.CDLL(str(Path(folder) / "residual.so"))
        runs: dict[str, Callable[[], object]] = {}
        for name, graph in graphs.items():
            runs[f"{name}, C++ in a loop of C"] = in_c(library, name, graph, arrays[name])
            runs[f"{name}, XLA"] = xla(graph, arrays[name])
        rows = []
        for name, times in compare(runs, calls=200).items():
            n = CALLS if "loop of C" in name else 1
            cpu = f"{times.median_cpu / n:.1f} ({times.least_cpu / n:.1f})"
            rows.append([name, cpu, f"{times.median_wall / n:.1f} ({min(times.wall) / n:.1f})"])
    table(["program", "CPU [us]", "wall [us]"], rows)


if __name__ == "__main__":
    main()
