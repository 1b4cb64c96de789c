"""The documented set of operations, a row each."""

from typing import Final

from gradion.graph.operators.control import CONTROL
from gradion.graph.operators.custom import CUSTOM
from gradion.graph.operators.elementwise import ELEMENTWISE
from gradion.graph.operators.indexing import INDEXING
from gradion.graph.operators.kind import OperationKind
from gradion.graph.operators.native import NATIVE
from gradion.graph.operators.reductions import REDUCTIONS
from gradion.graph.operators.shapes import SHAPES

__all__ = ["BY_PRIMITIVE", "ELEMENTWISE_KINDS", "KINDS", "OperationKind"]

# By their names in a graph.
KINDS: Final[dict[str, OperationKind]] = {
    kind.name: kind
    for family in (ELEMENTWISE, SHAPES, REDUCTIONS, INDEXING, CONTROL, CUSTOM, NATIVE)
    for kind in family
}
# By the names of JAX's primitives.
BY_PRIMITIVE: Final[dict[str, OperationKind]] = {
    primitive: kind for kind in KINDS.values() for primitive in kind.primitives
}
ELEMENTWISE_KINDS: Final[frozenset[str]] = frozenset(kind.name for kind in ELEMENTWISE)
