"""The members of a file of a graph, compared with its manifest."""

from __future__ import annotations

from typing import BinaryIO, Final

from gradion.foundation.errors import InputError
from gradion.foundation.strict_json import strict_json
from gradion.graph.definition.archive import Archive
from gradion.graph.definition.json_entry import JsonEntry
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.manifest import Manifest, Part

__all__ = ["CONSTANTS", "GRAPH", "MANIFEST", "STABLEHLO", "VARIABLES", "read_parts"]

MANIFEST: Final = "manifest.json"
GRAPH: Final = "graph.json"
CONSTANTS: Final = "constants.safetensors"
VARIABLES: Final = "variables.safetensors"
# Made of the graph and its constants; no file needs it.
STABLEHLO: Final = "function.stablehlo"


def read_parts(file: BinaryIO, where: str, limits: Limits) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a file and its parts, each of the size and the checksum that it says."""
    archive = Archive(file, where, most_bytes=limits.file_bytes)
    if MANIFEST not in archive.names:
        raise InputError(f"has no {MANIFEST}: this is no file of a graph", where=where)
    text = archive.read(MANIFEST, most_bytes=limits.text_bytes)
    place = f"{where}: {MANIFEST}"
    manifest = Manifest.read(JsonEntry(strict_json(text, where=place), place))
    _compare_names(archive, manifest)
    parts = {}
    for name, part in manifest.parts.items():
        if archive.size(name) != part.n_bytes:
            raise _damaged(where, f"{name} has {archive.size(name)} bytes, not {part.n_bytes}")
        is_text = name.endswith(".json")
        content = archive.read(name, most_bytes=limits.text_bytes if is_text else None)
        if Part.of(content) != part:
            raise _damaged(where, f"{name} has another checksum than the manifest says")
        parts[name] = content
    return manifest, parts


def _compare_names(archive: Archive, manifest: Manifest) -> None:
    """Nothing travels in a file that its manifest does not name."""
    listed = {MANIFEST, *manifest.parts}
    for name in archive.names:
        if name not in listed:
            raise _damaged(archive.where, f"the member {name} is not in the manifest")
    for name in sorted(listed):
        if name not in archive.names:
            raise _damaged(archive.where, f"the member {name[:100]!r} is missing")


def _damaged(where: str, what: str) -> InputError:
    return InputError(what, where=where, mend="the file is damaged: get it again")
