"""Families of kinds of operations, as pictures colour them."""

from __future__ import annotations

import enum
from typing import Final

from gradion.graph.operators import ELEMENTWISE_KINDS
from gradion.graph.operators.indexing import INDEXING
from gradion.graph.operators.reductions import REDUCTIONS
from gradion.graph.operators.shapes import SHAPES

__all__ = ["Family", "family_of"]


class Family(enum.Enum):
    """A family of kinds; the value is its title in a legend."""

    INPUT = "input"
    OUTPUT = "output"
    CONSTANT = "constant"
    STATE = "variable, check"
    ELEMENTWISE = "elementwise"
    SHAPE = "shape, movement"
    REDUCTION = "reduction"
    PRODUCT = "product"
    INDEXING = "index, search"
    CONTROL = "branch, loop"
    OPERATOR = "operator"
    SCOPE = "scope"

    @property
    def key(self) -> str:
        """The name in style sheets."""
        return self.name.lower()


_STRUCTURE: Final = {
    "placeholder": Family.INPUT,
    "constant": Family.CONSTANT,
    "identity": Family.SHAPE,
    "stop_gradient": Family.SHAPE,
    "cond": Family.CONTROL,
    "while": Family.CONTROL,
    "scan": Family.CONTROL,
    "dot_general": Family.PRODUCT,
    **dict.fromkeys(
        ("variable", "read_variable", "assign_variable", "check", "group"), Family.STATE
    ),
}
_TABLES: Final = {
    **{kind.name: Family.SHAPE for kind in SHAPES},
    **{kind.name: Family.REDUCTION for kind in REDUCTIONS},
    **{kind.name: Family.INDEXING for kind in INDEXING},
    **dict.fromkeys(ELEMENTWISE_KINDS, Family.ELEMENTWISE),
    **_STRUCTURE,
}


def family_of(kind: str) -> Family:
    """The family of a kind; what no table knows is an operator of its own."""
    return _TABLES.get(kind, Family.OPERATOR)
