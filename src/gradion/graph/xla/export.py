"""Graphs as StableHLO, for other programs and other machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

from gradion.foundation.compat.dimension import symbolic_shape
from gradion.foundation.compat.executable import foreign_calls, no_source_lines
from gradion.foundation.errors import InputError
from gradion.graph.evaluate import evaluate
from gradion.graph.graph import Graph

__all__ = ["export_stablehlo", "run_stablehlo"]

_PLATFORMS: Final = ("cpu", "cuda", "rocm", "tpu")
_WHERE: Final = "StableHLO"
# Characters of a message of JAX's reader.
_LONGEST: Final = 200


def export_stablehlo(graph: Graph, *, platforms: Sequence[str] = ("cpu", "cuda", "tpu")) -> bytes:
    """A pure graph as JAX's portable program, for each of the platforms.

    Sizes that are not known stay so. No device of the platforms is needed here. What it holds is
    read by JAX from six months before to three weeks after the version that wrote it (JAX's
    promise). Calls of native code are not portable.

    Raises ValueError for a graph with state and for an unknown platform.
    """

    unknown = set(platforms) - set(_PLATFORMS)
    if unknown:
        raise ValueError(f"platforms: got {sorted(unknown)}, expected some of {_PLATFORMS}")

    def gradion_graph(*arrays: Any) -> list[jax.Array]:
        return evaluate(graph, arrays)

    shapes = [
        jax.ShapeDtypeStruct(symbolic_shape(t.shape), jnp.dtype(t.dtype)) for t in graph.inputs
    ]
    from jax import export  # slow to import, and not needed to run a graph

    # What is sent elsewhere does not tell where files lie here, and equal graphs give equal bytes.
    with no_source_lines():
        exported = export.export(jax.jit(gradion_graph), platforms=tuple(platforms))(*shapes)
        return bytes(exported.serialize())


def run_stablehlo(content: bytes, inputs: Sequence[Any]) -> list[jax.Array]:
    """The outputs of an exported program for these inputs; compiled by XLA at each call.

    A program that calls other code is refused. The bytes must be whole, as a checksum shows, and
    of somebody trusted all the same: XLA's reader, which is native code, ends the process on some
    that are damaged. To run a model of somebody else, load its graph.

    Raises InputError for bytes that JAX cannot read, for a program of another version or platform
    and for one that calls other code; TypeError and ValueError for inputs that do not fit.
    """
    program = _compiled(content)
    return list(program(*map(jnp.asarray, inputs)))


def _compiled(content: bytes) -> Any:
    from jax import export

    try:
        exported = export.deserialize(bytearray(content))
        foreign = foreign_calls(exported.mlir_module())
        if not foreign:
            return jax.jit(exported.call).lower(*exported.in_avals).compile()
    except Exception as error:  # readers of damaged bytes raise what they like
        why = f"{type(error).__name__}: {error}"[:_LONGEST]
        raise InputError(
            f"no program for jax {jax.__version__} on {jax.default_backend()} ({why})",
            where=_WHERE,
            mend="export it from the graph, here",
        ) from error
    raise InputError(
        f"calls {', '.join(sorted(foreign))}: only programs that call no other code are run",
        where=_WHERE,
    )
