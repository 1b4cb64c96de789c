"""Graphs to look at: listing, summary, difference, Graphviz text, pictures."""

from gradion.graph.render.difference import GraphDifference, OperationChange, compare_graphs
from gradion.graph.render.dot import to_dot
from gradion.graph.render.html import to_html
from gradion.graph.render.listing import describe_operation, scopes, to_text
from gradion.graph.render.summary import GraphSummary, VariableSize, summarise
from gradion.graph.render.svg import to_svg
from gradion.graph.render.text import plain

__all__ = [
    "GraphDifference",
    "GraphSummary",
    "OperationChange",
    "VariableSize",
    "compare_graphs",
    "describe_operation",
    "plain",
    "scopes",
    "summarise",
    "to_dot",
    "to_html",
    "to_svg",
    "to_text",
]
