"""Modules beside bare jax.jit, flax nnx, equinox and torch eager, in one run at float32.

Run: ``python benchmarks/modules.py`` with torch and flax installed (extra ``peers``); without one
of them it says so and goes on. Words ``step``, ``call``, ``tree``, ``flatten`` run these parts
alone. Medians over interleaved rounds, see ``harness/rounds.py``; one thread each.
"""

from __future__ import annotations

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = "1"

import jax

# Small programs are else handed to a thread of JAX's, and take one of two times, by whether that
# thread was still awake; in the calling thread they take one. Before the first array is made: it
# is read then. The environment variable of this name is not read at all (jax 0.10.2).
jax.config.update("jax_cpu_enable_async_dispatch", False)

from harness import peers  # noqa: E402
from harness.parts import print_parts  # noqa: E402
from module_parts import call, flatten, step, tree  # noqa: E402

# The large trees first: their step depends on where in memory they lie.
PARTS = {"tree": tree.report, "step": step.report, "call": call.report, "flatten": flatten.report}


def main(names: list[str]) -> None:
    """Print the tables of these parts, of all if there are none."""
    for name in peers.missing():
        print(f"not installed, left out: {name}")
    packages = ("gradion", "jax", "equinox", "optax", *peers.installed())
    print_parts(PARTS, names, packages=packages)


if __name__ == "__main__":
    main(sys.argv[1:])
