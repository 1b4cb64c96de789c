"""How large a file of a graph may be, and what it describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["Limits"]


@final
@dataclass(frozen=True)
class Limits:
    """What a reader takes at most, so that a small file cannot ask for much memory.

    `file_bytes` is the size of the file, which a zip without extensions bounds too; `text_bytes`
    that of each JSON text in it, unpacked; `tensor_bytes` that of one result of an operation;
    `depth` that of subgraphs in subgraphs and of trees of arguments.
    """

    file_bytes: int = 2**32 - 1
    # A text of brackets alone takes about 25 times its size once it is read.
    text_bytes: int = 16 * 2**20
    tensor_bytes: int = 16 * 2**30
    depth: int = 32
