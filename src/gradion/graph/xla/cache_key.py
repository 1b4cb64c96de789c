"""What a compiled program depends on, as a key."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jax
import jaxlib.version

from gradion.extension.ffi_version import runtime_version
from gradion.extension.processor import processor_identity
from gradion.foundation.compat.executable import Placement, settings
from gradion.graph.fingerprint import fingerprint
from gradion.graph.graph import Graph

__all__ = ["cache_key"]

# Of the entries, and of how a program is called.
_FORMAT: Final = 1
# Variables that the compilers of XLA read.
_VARIABLES: Final = ("LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS")


def cache_key(graph: Graph, *, donated: Sequence[int], placement: Placement) -> str:
    """64 hexadecimal digits that differ where the compiled program may.

    In it are the graph, which buffers it may reuse, the devices, the processor, the versions of
    JAX, jaxlib and the FFI, the code of gradion that says what operations do, JAX's settings, and
    the variables of the environment that XLA reads.
    """
    parts = [
        f"format {_FORMAT}",
        fingerprint(graph),
        ",".join(map(str, sorted(set(donated)))),
        *placement.description(),
        processor_identity(),
        f"jax {jax.__version__}, jaxlib {jaxlib.version.__version__}, FFI {runtime_version()}",
        _meaning(),
        *settings(),
        *(f"{name}={os.environ.get(name, '')}" for name in _VARIABLES),
    ]
    # repr: no part can look like two.
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@functools.cache
def _meaning() -> str:
    """A digest of the code that says what an operation does: a change of it needs no version."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in [folder / "evaluate.py", *sorted((folder / "operators").glob("*.py"))]:
        digest.update(path.name.encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()
