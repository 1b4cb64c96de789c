"""A definition as a file, and back."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gradion.extension import find_operator, kernels_by_operator
from gradion.foundation.atomic_file import write_atomically
from gradion.foundation.errors import InputError
from gradion.foundation.strict_json import strict_json
from gradion.graph.definition.archive import pack
from gradion.graph.definition.derived import derive
from gradion.graph.definition.graph_def import GraphDef, initial_values
from gradion.graph.definition.graph_reading import GraphReader
from gradion.graph.definition.graph_writing import GraphWriter
from gradion.graph.definition.json_entry import JsonEntry
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.manifest import DerivedPart, Manifest, Part
from gradion.graph.definition.named_signature import NamedSignature
from gradion.graph.definition.parts import (
    CONSTANTS,
    GRAPH,
    MANIFEST,
    STABLEHLO,
    VARIABLES,
    read_parts,
)
from gradion.graph.definition.tensor_file import read_tensors, write_tensors
from gradion.graph.graph import Graph
from gradion.graph.state import variables

__all__ = ["from_bytes", "load", "save", "to_bytes"]


def save(definition: GraphDef, path: str | os.PathLike[str], *, stablehlo: bool = False) -> None:
    """Write a definition to a file, which appears whole or not at all.

    The same definition gives the same bytes (of one version of zlib). With `stablehlo`, the
    function of the default signature is in it as well, as JAX's portable program for CPU, CUDA
    and TPU: for other programs, as loading never needs it.

    Raises InputError, naming the operation, for what a file does not hold, and OSError if it
    cannot be written; what was at `path` is then still there.
    """
    write_atomically(Path(path), to_bytes(definition, stablehlo=stablehlo))


def load(path: str | os.PathLike[str], *, limits: Limits | None = None) -> GraphDef:
    """The definition in a file.

    No code is executed, nothing is imported because the file names it, and every operation is
    looked at: kinds are known, types are those that evaluation gives. Raises InputError, in one
    line with the path, for a file that is missing, damaged, cut off, of a newer format, larger
    than the limits, or in need of an operation or operator that is not there.
    """
    where = str(path)
    try:
        with Path(path).open("rb") as file:
            return _read(file, where, limits or Limits())
    except FileNotFoundError:
        raise InputError("no such file", where=where) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=where) from None


def to_bytes(definition: GraphDef, *, stablehlo: bool = False) -> bytes:
    """What `save` writes."""
    writer = GraphWriter()
    text = {
        "graph": writer.write(definition.graph),
        "signatures": {n: s.to_json() for n, s in definition.signatures.items()},
        "metadata": dict(definition.metadata),
    }
    parts = {
        GRAPH: json.dumps(text, allow_nan=False, separators=(",", ":")).encode("ascii"),
        CONSTANTS: write_tensors(writer.constants),
        VARIABLES: write_tensors(_stored(definition)),
    }
    # Read at once: what is saved can be loaded.
    _definition(parts, GRAPH, Limits())
    derived: dict[str, DerivedPart] = {}
    if stablehlo:
        parts[STABLEHLO], platforms = derive(definition)
        derived[STABLEHLO] = DerivedPart(
            tuple(Part.of(parts[n]).sha256 for n in (GRAPH, CONSTANTS)), platforms
        )
    manifest = Manifest(
        {name: Part.of(content) for name, content in parts.items()},
        tuple(sorted(writer.kinds)),
        _origins(writer.operators),
        derived,
    )
    return pack({MANIFEST: manifest.to_bytes(), **parts})


def from_bytes(content: bytes, *, limits: Limits | None = None) -> GraphDef:
    """What `load` reads, from memory."""
    return _read(io.BytesIO(content), f"{len(content)} bytes", limits or Limits())


def _read(file: BinaryIO, where: str, limits: Limits) -> GraphDef:
    manifest, parts = read_parts(file, where, limits)
    for name in (GRAPH, CONSTANTS, VARIABLES):
        if name not in parts:
            raise InputError(f"has no {name}", where=where)
    for name, origin in manifest.operators.items():
        try:
            find_operator(name)
        except InputError as error:
            what = f"needs the operator {name[:100]!r}" + (f" of {origin}" if origin else "")
            raise InputError(
                f"{what}, which is not installed", where=where, mend=error.mend
            ) from None
    return _definition(parts, f"{where}: {GRAPH}", limits)


def _definition(parts: Mapping[str, bytes], where: str, limits: Limits) -> GraphDef:
    constants = read_tensors(parts[CONSTANTS], f"{where}, {CONSTANTS}", limits)
    stored = read_tensors(parts[VARIABLES], f"{where}, {VARIABLES}", limits)
    entry = JsonEntry(strict_json(parts[GRAPH], where=where), where)
    fields = entry.fields(("graph", "signatures", "metadata"))
    graph = GraphReader(constants, limits).read(fields["graph"])
    signatures = {}
    for name, item in fields["signatures"].pairs().items():
        item.at(name, name).label()
        signatures[name] = NamedSignature.from_json(item, limits)
        _check_names(signatures[name], graph, item)
    metadata = {name: item.text() for name, item in fields["metadata"].pairs().items()}
    held = {operation.name for operation in variables(graph)}
    for name in stored:
        if name not in held:
            raise InputError(f"there is no variable {name[:100]!r}", where=where)
    try:
        return GraphDef(graph, {**initial_values(graph), **stored}, signatures, metadata)
    except InputError as error:
        raise InputError(error.what, where=where, mend=error.mend) from None


def _check_names(signature: NamedSignature, graph: Graph, entry: JsonEntry) -> None:
    """Raise InputError if a tensor is not there; to look for near names in a file takes long."""
    known = {tensor.name for operation in graph for tensor in operation.outputs}
    for name in (*signature.inputs.values(), *signature.outputs.values()):
        if name not in known:
            raise entry.error(f"there is no tensor {name[:100]!r}")


def _stored(definition: GraphDef) -> dict[str, np.ndarray]:
    """The values that are not those of the initializers, bit by bit: these are in the graph."""
    first = initial_values(definition.graph)
    return {
        name: value
        for name, value in definition.variables.items()
        if name not in first or value.tobytes() != first[name].tobytes()
    }


def _origins(names: set[str]) -> dict[str, str]:
    """Where operators are from: the package of one of gradion's kernels, or nothing known."""
    if not names:
        return {}
    kernels = kernels_by_operator()
    return {name: kernels[name].name if name in kernels else "" for name in sorted(names)}
