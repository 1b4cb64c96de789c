"""The part of a file that is made of the graph: its function as StableHLO, for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gradion.foundation.errors import InputError
from gradion.graph.definition.graph_def import GraphDef
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.parts import CONSTANTS, GRAPH, STABLEHLO, read_parts

__all__ = ["derive", "read_stablehlo"]

_PLATFORMS: Final = ("cpu", "cuda", "tpu")


def derive(definition: GraphDef) -> tuple[bytes, tuple[str, ...]]:
    """The function of the default signature as JAX's portable program, and its platforms.

    It takes what `GraphDef.function` takes. Raises what `export_stablehlo` raises.
    """
    from gradion.graph.xla.export import export_stablehlo  # jax.export is slow to import

    return export_stablehlo(definition.function().graph, platforms=_PLATFORMS), _PLATFORMS


def read_stablehlo(path: str | os.PathLike[str], *, limits: Limits | None = None) -> bytes:
    """The program that `save(..., stablehlo=True)` put beside the graph; nothing of it is run.

    Raises InputError if there is none, or one that was made of another graph than the file has,
    and what `load` raises for a damaged file.
    """
    where = str(path)
    try:
        with Path(path).open("rb") as file:
            manifest, parts = read_parts(file, where, limits or Limits())
    except FileNotFoundError:
        raise InputError("no such file", where=where) from None
    known = manifest.derived.get(STABLEHLO)
    if known is None or STABLEHLO not in parts:
        raise InputError(
            "holds no StableHLO", where=where, mend="save it with stablehlo=True, or load the graph"
        )
    if known.sha256_of != tuple(manifest.parts[name].sha256 for name in (GRAPH, CONSTANTS)):
        raise InputError(
            "its StableHLO is of another graph",
            where=where,
            mend="load the graph and save it again",
        )
    return parts[STABLEHLO]
