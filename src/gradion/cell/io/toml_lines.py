"""TOML files read with the line of each key, for messages."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from gradion.foundation.errors import InputError

__all__ = ["TomlDocument", "read_toml"]

KeyPath = tuple[str | int, ...]

_TABLE = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")
_POSITION = re.compile(r"\s*\(at line (\d+), column \d+\)|\s*\(at end of document\)")


@final
@dataclass(frozen=True, eq=False)
class TomlDocument:
    """What a TOML file says, and on which line each key stands."""

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def where(self, path: KeyPath) -> str:
        """``file:line: key`` for a path of keys and indices; the nearest line that is known."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = f":{self.lines[known]}" if known else ""
        dotted = "".join(
            f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path
        ).lstrip(".")
        return f"{self.name}{line}: {dotted}" if dotted else f"{self.name}{line}"


def read_toml(path: str | os.PathLike[str]) -> TomlDocument:
    """Read a TOML file. Raises InputError in one line, with the line number for bad syntax."""
    name = os.fspath(path)
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be read ({reason})", where=name) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("is binary, not text", where=name, mend="expected a TOML file") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _POSITION.search(str(error))
        at_line = match is not None and match.group(1) is not None
        number = match.group(1) if match is not None and at_line else len(text.splitlines())
        what = _POSITION.sub("", str(error))
        raise InputError(f"no valid TOML: {what}", where=f"{name}:{number}") from None
    return TomlDocument(name, data, _key_lines(text))


def _key_lines(text: str) -> dict[KeyPath, int]:
    """Line of each table and key; keys inside inline tables have the line of the table's key."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            table = _resolved(_parts(match.group(2)), counts)
            if match.group(1) == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, *_parts(match.group(1))), number)
    return lines


def _parts(text: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _resolved(parts: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """The path of a table header, with the index of the latest entry of each array above it."""
    path: KeyPath = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return (*path, *parts[-1:])
