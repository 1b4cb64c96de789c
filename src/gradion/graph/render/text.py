"""Short texts of the parts of an operation, safe to print and to put into a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from gradion.graph.graph import Operation, TensorType

__all__ = [
    "attribute_text",
    "byte_text",
    "plain",
    "scope_parts",
    "shorten",
    "size_in_bytes",
    "source_text",
    "subgraph_names",
    "value_text",
]

# How the subgraphs of a kind are called; others are numbered.
_SUBGRAPHS: Mapping[str, tuple[str, ...]] = {
    "while": ("condition", "body"),
    "scan": ("body",),
    "custom_jvp": ("value", "rule"),
    "custom_vjp": ("value", "forward", "backward"),
}


def plain(text: str) -> str:
    """Text on one line without characters that cannot be seen: these are written as escapes.

    Control characters are forbidden in XML, move the cursor of a terminal, or turn the direction
    of what follows.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shorten(text: str, limit: int) -> str:
    """Plain text of at most `limit` characters, with "..." for what is left out at the end."""
    shown = plain(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: max(limit - 3, 0)]}..."


def attribute_text(value: Any, limit: int) -> str:
    """An attribute's value, shortened; dimensions of unknown size by their text."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key}: {attribute_text(item, limit)}" for key, item in value.items())
        return shorten(f"{{{inside}}}", limit)
    if isinstance(value, list | tuple):
        return shorten(f"[{', '.join(attribute_text(item, limit) for item in value)}]", limit)
    return shorten(str(value), limit)


def value_text(value: np.ndarray, limit: int) -> str:
    """A number as it is; of an array its type and its first elements."""
    if value.ndim == 0:
        item = value.item()
        return shorten(f"{item:.6g}" if isinstance(item, float) else str(item), limit)
    head = f"{value.dtype.name}[{','.join(map(str, value.shape))}]"
    # Each element has a character at least, and two stand between neighbours.
    first = [value_text(x, limit) for x in value.reshape(-1)[: limit // 3 + 1]]
    inside = ", ".join(first) + (", ..." if len(first) < value.size else "")
    return shorten(f"{head} {inside}", limit) if inside else head


def source_text(operation: Operation) -> str:
    """The file's name, without folders, and the line; empty if unknown."""
    source = operation.source
    return "" if source is None else plain(f"{PurePath(source.file).name}:{source.line}")


def scope_parts(scope: str) -> tuple[str, ...]:
    """The nested names of a scope; `transpose(jvp(a/b))/c` has two: brackets hold together."""
    parts, depth = [""], 0
    for character in scope:
        depth += (character == "(") - (character == ")")
        if character == "/" and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part for part in parts if part)


def subgraph_names(operation: Operation) -> tuple[str, ...]:
    """What the subgraphs are called: "body", "branch 0"."""
    count = len(operation.subgraphs)
    names = _SUBGRAPHS.get(operation.kind, ())
    if len(names) == count:
        return names
    word = "branch" if operation.kind == "cond" else "subgraph"
    return tuple(f"{word} {i}" for i in range(count))


def size_in_bytes(tensor_type: TensorType) -> int | None:
    """Bytes of a tensor; None where a size is not known or the dtype is not one of numpy's."""
    try:
        return tensor_type.size * np.dtype(tensor_type.dtype).itemsize
    except (TypeError, ValueError):
        return None


def byte_text(count: int) -> str:
    """Bytes in the unit that suits."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024.0:
            break
        size, unit = size / 1024.0, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
