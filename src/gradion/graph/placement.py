"""Blocks of memory that are used for a time, placed so that they use the same memory again."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

__all__ = ["Block", "Placement", "place_blocks"]

_ALIGNMENT: Final = 64  # [bytes], a cache line


@final
@dataclass(frozen=True)
class Block:
    """Memory that is used from one step to another, both counted."""

    n_bytes: int
    first: int
    last: int


@final
@dataclass(frozen=True)
class Placement:
    """Offsets [bytes] of blocks, in their order, all multiples of 64.

    `n_bytes` is what all of them take together, `unshared` what they would take side by side, and
    `live` the most that is in use at one step: no placement can take less.
    """

    offsets: tuple[int, ...]
    n_bytes: int
    unshared: int
    live: int


def place_blocks(blocks: Sequence[Block]) -> Placement:
    """Give every block an offset; blocks whose times overlap do not overlap.

    The largest is placed first, each at the lowest offset that is free for its time (first fit).
    """
    offsets = [0] * len(blocks)
    placed: list[tuple[int, int]] = []  # offsets, and places of their blocks
    end = 0
    for index in sorted(range(len(blocks)), key=lambda i: -blocks[i].n_bytes):
        block, offset = blocks[index], 0
        for at, other in placed:
            if blocks[other].last < block.first or blocks[other].first > block.last:
                continue
            if offset + block.n_bytes <= at:
                break
            offset = max(offset, _aligned(at + blocks[other].n_bytes))
        offsets[index] = offset
        bisect.insort(placed, (offset, index))
        end = max(end, offset + block.n_bytes)
    unshared = sum(_aligned(block.n_bytes) for block in blocks)
    return Placement(tuple(offsets), _aligned(end), unshared, _live(blocks))


def _live(blocks: Sequence[Block]) -> int:
    changes = [(block.first, _aligned(block.n_bytes)) for block in blocks]
    changes += [(block.last + 1, -_aligned(block.n_bytes)) for block in blocks]
    most = live = 0
    for _, n_bytes in sorted(changes):  # at one step, what ends goes before what begins
        live += n_bytes
        most = max(most, live)
    return most


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT
