"""Graphs written by hand: placeholders, variables, operators of tensors."""

from gradion.graph.build.apply import apply, identity
from gradion.graph.build.context import control_dependencies, current_graph, name_scope
from gradion.graph.build.control import check, cond, group, while_loop
from gradion.graph.build.inputs import constant, placeholder
from gradion.graph.build.variable import Variable, graph_variables, initialize_all, variable

__all__ = [
    "Variable",
    "apply",
    "check",
    "cond",
    "constant",
    "control_dependencies",
    "current_graph",
    "graph_variables",
    "group",
    "identity",
    "initialize_all",
    "name_scope",
    "placeholder",
    "variable",
    "while_loop",
]
