"""The LLTM cell, whose C++ is in examples/lltm: its build and its calls, beside torch and bare JAX.

Run: ``python benchmarks/lltm.py`` with torch and ninja installed (extra ``peers``); without torch
its rows are left out. Words ``build`` and ``call`` run these parts alone.
"""

from __future__ import annotations

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = "1"

import jax

# As in modules.py: small programs then run in the calling thread.
jax.config.update("jax_cpu_enable_async_dispatch", False)

from harness import peers  # noqa: E402
from harness.parts import print_parts  # noqa: E402
from lltm_parts import building, calling  # noqa: E402

PARTS = {"call": calling.report, "build": building.report}


def main(names: list[str]) -> None:
    """Print the tables of these parts, of both if there are none."""
    torch = ("torch", "ninja") if "torch" in peers.installed() else ()
    print_parts(PARTS, names, packages=("gradion", "jax", "jaxlib", *torch))


if __name__ == "__main__":
    main(sys.argv[1:])
