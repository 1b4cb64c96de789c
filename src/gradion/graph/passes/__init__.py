"""Passes: functions from a graph to an equal one, each with a report of what it changed."""

from gradion.graph.passes.control_flow import settle_control
from gradion.graph.passes.draft import spread_number
from gradion.graph.passes.folding import fold_constants
from gradion.graph.passes.inlining import inline
from gradion.graph.passes.merging import merge_equal
from gradion.graph.passes.optimisation import BACK_END_PASSES, DEFAULT_PASSES, Pass, optimise
from gradion.graph.passes.pruning import prune_unused
from gradion.graph.passes.report import Change, PassReport, PassResult, count_operations
from gradion.graph.passes.selection import OperatorRule, select_operators
from gradion.graph.passes.simplification import simplify

__all__ = [
    "BACK_END_PASSES",
    "DEFAULT_PASSES",
    "Change",
    "OperatorRule",
    "Pass",
    "PassReport",
    "PassResult",
    "count_operations",
    "fold_constants",
    "inline",
    "merge_equal",
    "optimise",
    "prune_unused",
    "select_operators",
    "settle_control",
    "simplify",
    "spread_number",
]
