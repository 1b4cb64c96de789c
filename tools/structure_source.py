"""What the structure rules look at: a parsed file, and a finding about it."""

from __future__ import annotations

import ast
import dataclasses
import functools
from pathlib import PurePosixPath

__all__ = ["Finding", "Source"]


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One breach of a rule; prints as ``path:line: rule: what; how to mend``."""

    path: str
    line: int
    rule: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.what}; {self.mend}"


@dataclasses.dataclass(frozen=True)
class Source:
    """A text file of the repository; ``path`` is relative to its root, with forward slashes."""

    path: str
    text: str

    @functools.cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; raises SyntaxError if the file is no Python."""
        return ast.parse(self.text, filename=self.path)

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.path).parts

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def in_package(self) -> bool:
        return self.parts[0] == "src"

    @property
    def module(self) -> str:
        """The dotted name of a file under src."""
        names = PurePosixPath(self.path).with_suffix("").parts[1:]
        return ".".join(names[:-1] if names[-1] == "__init__" else names)

    def has_reason(self, word: str, first: int, last: int) -> bool:
        """Whether a comment ``# <word>: <reason>`` stands on the lines first to last (from 1)."""
        for line in self.lines[max(first - 1, 0) : last]:
            _, mark, reason = line.partition(f"# {word}:")
            if mark and reason.strip():
                return True
        return False
