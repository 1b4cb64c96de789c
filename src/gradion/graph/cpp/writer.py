"""C++ text with indentation, and nests of loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, final

__all__ = ["LOOP_NAMES", "Writer", "element"]

LOOP_NAMES: Final = "ijklmn"


@final
class Writer:
    """Lines of C++."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 1

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("  " * self._depth + text if text else "")

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """Braces around what is written inside."""
        self.line(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextmanager
    def loops(self, names: Sequence[str], sizes: Sequence[int]) -> Iterator[None]:
        """Loops around what is written inside, the first outermost."""
        for name, size in zip(names, sizes, strict=True):
            self.line(f"for (int64_t {name} = 0; {name} < {size}; ++{name}) {{")
            self._depth += 1
        yield
        for _ in names:
            self._depth -= 1
            self.line("}")


def element(pointer: str, offset: int, strides: Sequence[int], indices: Sequence[str]) -> str:
    """The element at an index: `pointer[offset + 5 * i + j]`."""
    terms: list[str] = []
    for stride, index in zip(strides, indices, strict=True):
        if stride and index != "0":
            terms.append(index if stride == 1 else f"{stride} * {index}")
    if offset or not terms:
        terms.insert(0, str(offset))
    return f"{pointer}[{' + '.join(terms)}]".replace("+ -", "- ")
