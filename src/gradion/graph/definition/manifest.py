"""The first member of a file of a graph: format, version, parts with checksums, what it needs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import gradion
from gradion.foundation.errors import InputError
from gradion.graph.definition.json_entry import JsonEntry

__all__ = ["FORMAT_VERSION", "DerivedPart", "Manifest", "Part"]

_FORMAT: Final = "gradion-graph"
# A reader reads every file of its major version whose kinds of operations it knows: a new minor
# version adds kinds, parts and entries of the manifest that an older reader may leave out.
FORMAT_VERSION: Final = (1, 0)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_BYTES: Final = 2**32


@final
@dataclass(frozen=True)
class Part:
    """A member of the file: its size and the SHA-256 of its bytes."""

    n_bytes: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Part:
        """That of these bytes."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@final
@dataclass(frozen=True)
class DerivedPart:
    """A member that is made of the graph and never needed: of which graph, for which platforms.

    `sha256_of` are the checksums of the graph and of its constants, as they were.
    """

    sha256_of: tuple[str, ...]
    platforms: tuple[str, ...]


@final
@dataclass(frozen=True)
class Manifest:
    """`parts` by their names; `kinds` of operations and operators of `gradion.extension` needed.

    An operator comes with where it was from, empty if that is not known.
    """

    parts: Mapping[str, Part]
    kinds: tuple[str, ...]
    operators: Mapping[str, str]
    derived: Mapping[str, DerivedPart]
    version: tuple[int, int] = FORMAT_VERSION
    gradion: str = gradion.__version__

    def to_bytes(self) -> bytes:
        """The manifest as JSON to be read."""
        known: dict[str, Any] = {
            "format": _FORMAT,
            "version": list(self.version),
            "gradion": self.gradion,
            "parts": {n: {"bytes": p.n_bytes, "sha256": p.sha256} for n, p in self.parts.items()},
            "kinds": list(self.kinds),
            "operators": dict(self.operators),
            "derived": {
                name: {"of": list(part.sha256_of), "platforms": list(part.platforms)}
                for name, part in self.derived.items()
            },
        }
        return (json.dumps(known, indent=1) + "\n").encode("ascii")

    @classmethod
    def read(cls, entry: JsonEntry) -> Manifest:
        """The manifest in a file.

        Raises InputError, also for a file of a newer major version.
        """
        head = entry.fields(("format", "version"), others=True)
        if head["format"].text() != _FORMAT:
            raise head["format"].error(f"expected {_FORMAT!r}: this is no file of a graph")
        version = [item.integer(0, 2**31) for item in head["version"].items()]
        if len(version) != 2:
            raise head["version"].error("expected two numbers")
        major, minor = version
        made_by = entry.pairs()["gradion"].text() if "gradion" in entry.value else "?"
        if major != FORMAT_VERSION[0]:
            raise InputError(
                f"the file has the format version {major}.{minor} (gradion {made_by[:100]}), this "
                f"gradion {gradion.__version__} reads {FORMAT_VERSION[0]}.x",
                where=entry.root,
                mend="update gradion" if major > FORMAT_VERSION[0] else "save it again",
            )
        fields = entry.fields(
            ("format", "version", "gradion", "parts", "kinds", "operators", "derived"),
            others=minor > FORMAT_VERSION[1],
        )
        return cls(
            {name: _part(item) for name, item in fields["parts"].pairs().items()},
            tuple(item.label() for item in fields["kinds"].items()),
            {
                item.at(name, name).label(): item.label(empty=True)
                for name, item in fields["operators"].pairs().items()
            },
            {name: _derived(item) for name, item in fields["derived"].pairs().items()},
            (major, minor),
            fields["gradion"].label(),
        )


def _part(entry: JsonEntry) -> Part:
    fields = entry.fields(("bytes", "sha256"))
    return Part(fields["bytes"].integer(0, _MOST_BYTES), _digest(fields["sha256"]))


def _derived(entry: JsonEntry) -> DerivedPart:
    fields = entry.fields(("of", "platforms"))
    return DerivedPart(
        tuple(_digest(item) for item in fields["of"].items()),
        tuple(item.label() for item in fields["platforms"].items()),
    )


def _digest(entry: JsonEntry) -> str:
    text = entry.text()
    if not _DIGEST.fullmatch(text):
        raise entry.error("expected a SHA-256 in hexadecimal digits")
    return text
