"""The pass that computes equal things once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from gradion.graph.graph import Graph
from gradion.graph.operation_table import frozen, structure
from gradion.graph.passes.dtypes import is_floating
from gradion.graph.passes.report import PassResult
from gradion.graph.passes.rewriter import Replaced, Rewriter, Site, Step, run_pass

__all__ = ["merge_equal"]

# Equal to the last bit with the arguments in any order. Of floats a sum is not: where both are
# NaN, the first one's bits come out.
_COMMUTE: Final = frozenset({"eq", "ne", "and", "or", "xor"})
_COMMUTE_OF_INTEGERS: Final = frozenset({"add", "mul", "max", "min"})


def merge_equal(graph: Graph) -> PassResult:
    """Merge operations of the same kind, inputs, attributes and subgraphs, and equal constants.

    Constants are equal if dtype, shape and bits are, so that 0.0 and -0.0 stay apart. The first of
    equal operations stays, under its name. What has an effect, or runs before or after something,
    is never merged.
    """
    return run_pass("merge equal", graph, _step)


def _step(writer: Rewriter) -> Step:
    found: dict[Hashable, str] = {}

    def step(site: Site) -> Replaced | None:
        first = found.setdefault(_key(site), site.name)
        if first == site.name:
            return None
        return Replaced("merged", writer.graph.operation(first).outputs)

    return step


def _key(site: Site) -> Hashable:
    value = site.operation.value
    inputs = site.inputs
    of_integers = site.kind in _COMMUTE_OF_INTEGERS and not is_floating(inputs[0].dtype)
    if site.kind in _COMMUTE or of_integers:
        inputs = tuple(sorted(inputs, key=lambda tensor: tensor.name))
    return (
        site.kind,
        inputs,
        frozen(site.attributes),
        tuple(map(structure, site.subgraphs)),
        site.types,
        None if value is None else value.tobytes(),
    )
