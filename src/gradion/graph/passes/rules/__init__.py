"""Rules of algebra that are exact to the last bit, by the kind of operation that they are for."""

from typing import Final

from gradion.graph.passes.draft import Rule
from gradion.graph.passes.rules.arithmetic import ARITHMETIC
from gradion.graph.passes.rules.choice import CHOICE
from gradion.graph.passes.rules.conversion import CONVERSION
from gradion.graph.passes.rules.joining import JOINING
from gradion.graph.passes.rules.movement import MOVEMENT
from gradion.graph.passes.rules.slices import SLICES

__all__ = ["RULES"]

# A kind's rules are tried in order; each has a line for the report.
RULES: Final[dict[str, tuple[tuple[str, Rule], ...]]] = {}
for _table in (ARITHMETIC, CHOICE, CONVERSION, JOINING, MOVEMENT, SLICES):
    for _kinds, _what, _rule in _table:
        for _kind in _kinds:
            RULES[_kind] = (*RULES.get(_kind, ()), (_what, _rule))
