"""The pass that writes functions with derivative rules of their own out in place."""

from __future__ import annotations

from gradion.graph.graph import CUSTOM_KINDS, Graph
from gradion.graph.passes.report import PassResult
from gradion.graph.passes.rewriter import Replaced, Rewriter, Site, Step, is_pure, run_pass

__all__ = ["inline"]


def inline(graph: Graph) -> PassResult:
    """Put the value of each `custom_jvp` and `custom_vjp` in its place.

    The rule goes, and so does `stop_gradient`, which is of derivatives alone: take them first. An
    `identity` that nothing is waited for goes too.
    """
    return run_pass("inline", graph, _step)


def _step(writer: Rewriter) -> Step:
    def step(site: Site) -> Replaced | None:
        if site.kind in ("stop_gradient", "identity") and not site.operation.control_inputs:
            return Replaced("left out", site.inputs)
        if site.kind in CUSTOM_KINDS and is_pure(site.subgraphs[0]):
            return Replaced("inlined", writer.splice(site, site.subgraphs[0], site.inputs))
        return None

    return step
