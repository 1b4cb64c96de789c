"""Where the elements of an array lie in a buffer, and how operations that move elements see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = ["Layout", "significant"]


def significant(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape without sizes of one, which no loop needs."""
    return tuple(n for n in shape if n != 1)


@final
@dataclass(frozen=True)
class Layout:
    """Element (i, j, ...) lies at offset + i * strides[0] + j * strides[1] + ..., in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def contiguous(cls, shape: Sequence[int]) -> Layout:
        """Row-major, without gaps."""
        sizes = [*shape[1:], 1]
        strides = [int(np.prod(sizes[i:], dtype=np.int64)) for i in range(len(shape))]
        return cls(tuple(shape), tuple(strides))

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps, wherever they begin."""
        if 0 in self.shape:
            return True
        plain = Layout.contiguous(self.shape).strides
        return all(
            n == 1 or s == p for n, s, p in zip(self.shape, self.strides, plain, strict=True)
        )

    def broadcast(self, shape: Sequence[int], axes: Sequence[int]) -> Layout:
        """Repeated to `shape`; `axes` are where the own axes go."""
        strides = [0] * len(shape)
        for axis, n, stride in zip(axes, self.shape, self.strides, strict=True):
            strides[axis] = stride if n != 1 else 0
        return Layout(tuple(shape), tuple(strides), self.offset)

    def transposed(self, permutation: Sequence[int]) -> Layout:
        """With the axes in another order."""
        return Layout(
            tuple(self.shape[a] for a in permutation),
            tuple(self.strides[a] for a in permutation),
            self.offset,
        )

    def sliced(self, starts: Sequence[int], limits: Sequence[int], steps: Sequence[int]) -> Layout:
        """Elements start, start + step, ... below limit along each axis."""
        offset = self.offset + sum(a * s for a, s in zip(starts, self.strides, strict=True))
        shape = tuple(
            max(0, -(-(stop - start) // step))
            for start, stop, step in zip(starts, limits, steps, strict=True)
        )
        strides = tuple(s * step for s, step in zip(self.strides, steps, strict=True))
        return Layout(shape, strides, offset)

    def reversed(self, axes: Sequence[int]) -> Layout:
        """Backwards along the axes."""
        offset, strides = self.offset, list(self.strides)
        for axis in axes:
            offset += (self.shape[axis] - 1) * strides[axis]
            strides[axis] = -strides[axis]
        return Layout(self.shape, tuple(strides), offset)

    def reshaped(self, shape: Sequence[int]) -> Layout | None:
        """The same elements in another shape; None where no strides describe it."""
        if 0 in self.shape:
            return Layout.contiguous(shape)
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides: list[int] = []
        sizes = list(shape)
        position = 0
        while position < len(sizes):
            if sizes[position] == 1:
                strides.append(0)
                position += 1
                continue
            # The fewest old and new axes whose products agree.
            new_group, old_group = [sizes[position]], [old.pop(0)]
            while np.prod(new_group) != np.prod([n for n, _ in old_group]):
                if np.prod(new_group) < np.prod([n for n, _ in old_group]):
                    position += 1
                    new_group.append(sizes[position])
                else:
                    old_group.append(old.pop(0))
            for (n, inner), (_, outer) in zip(old_group[1:], old_group[:-1], strict=True):
                if outer != n * inner:
                    return None
            last = old_group[-1][1]
            inside = Layout.contiguous(new_group).strides
            strides += [last * s for s in inside]
            position += 1
        return Layout(tuple(shape), tuple(strides), self.offset)
