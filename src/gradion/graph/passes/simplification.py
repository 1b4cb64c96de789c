"""The pass that applies rules of algebra."""

from __future__ import annotations

from collections.abc import Mapping

from gradion.graph.graph import Graph, Tensor
from gradion.graph.passes.draft import Draft, Rule
from gradion.graph.passes.report import PassResult
from gradion.graph.passes.rewriter import Replaced, Rewriter, Site, Step, run_pass
from gradion.graph.passes.rules import RULES

__all__ = ["simplify"]

_Rules = Mapping[str, tuple[tuple[str, Rule], ...]]


def simplify(graph: Graph, *, rules: _Rules = RULES) -> PassResult:
    """Replace operations by simpler ones, equal to the last bit.

    `rules` are tried by kind until none applies; those of `gradion.graph.passes.rules` say what
    exact means. A rule that needs the number of a size leaves an unknown one alone.
    """
    return run_pass("simplify", graph, lambda writer: _step(writer, rules))


def _step(writer: Rewriter, rules: _Rules) -> Step:
    def step(site: Site) -> Replaced | None:
        if len(site.types) != 1 or site.kind not in rules:
            return None
        (made,) = site.types
        current: Draft | Tensor = Draft(
            site.kind, site.inputs, site.attributes, made, writer.number
        )
        said: list[str] = []
        while isinstance(current, Draft):
            found = _first(current, rules)
            if found is None:
                break
            what, current = found
            said.append(what)
        if not said:
            return None
        if isinstance(current, Draft):
            kind, inputs, attributes = current.kind, current.inputs, current.attributes
            (current,) = writer.add(
                site, kind, inputs, [made], attributes=attributes, in_place=True
            )
        return Replaced(", ".join(dict.fromkeys(said)), [current])

    return step


def _first(draft: Draft, rules: _Rules) -> tuple[str, Draft | Tensor] | None:
    """What the first rule that applies makes of it, and what that rule is called."""
    for what, rule in rules.get(draft.kind, ()):
        simpler = rule(draft)
        if simpler is not None:
            return what, simpler
    return None
