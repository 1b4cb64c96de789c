"""The sum of rows by segment beside XLA's: forces of 100,000 pairs into 5,000 atoms.

Run: ``python benchmarks/segment_sum.py``. Competitors take turns; median (least) of the rounds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from harness.rounds import compare, table

import gradion
from gradion.numerics.kernels import segment_sum

# Else small programs take one of two times.
jax.config.update("jax_cpu_enable_async_dispatch", False)

N_PAIRS, N_ATOMS = 100_000, 5_000


def main() -> None:
    """Measure and print."""
    print(f"gradion {gradion.__version__}, jax {jax.__version__}, {os.cpu_count()} cores")
    generator = np.random.default_rng(0)
    atoms = jnp.asarray(generator.integers(0, N_ATOMS, N_PAIRS), jnp.int32)
    rows = []
    for dtype in (jnp.float64, jnp.float32):
        forces = jnp.asarray(generator.normal(size=(N_PAIRS, 3)), dtype)
        native = jax.jit(lambda f, i: segment_sum(f, i, n_segments=N_ATOMS))
        xla = jax.jit(lambda f, i: jax.ops.segment_sum(f, i, N_ATOMS))
        # Each atom has some 20 pairs; their sum errs by a few units in the last place.
        error = float(jnp.abs(native(forces, atoms) - xla(forces, atoms)).max())
        assert error < 100 * jnp.finfo(dtype).eps
        competitors = {
            "XLA, `jax.ops.segment_sum`": _timed(xla, forces, atoms, 1),
            "gradion, 1 thread": _timed(native, forces, atoms, 1),
            "gradion, 2 threads": _timed(native, forces, atoms, 2),
        }
        for name, times in compare(competitors).items():
            rows.append(
                [
                    f"{name}, {jnp.dtype(dtype)}",
                    f"{times.median_cpu:.0f} ({times.least_cpu:.0f})",
                    f"{times.median_wall:.0f} ({min(times.wall):.0f})",
                ]
            )
    table(["sum", "CPU [us]", "wall [us]"], rows)


def _timed(
    program: Callable[..., Any], forces: jax.Array, atoms: jax.Array, threads: int
) -> Callable[[], Any]:
    def call() -> Any:
        os.environ["GRADION_NUM_THREADS"] = str(threads)
        return program(forces, atoms).block_until_ready()

    return call


if __name__ == "__main__":
    main()
