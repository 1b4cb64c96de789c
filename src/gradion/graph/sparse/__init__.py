"""Sparse Jacobians as graphs: only what can be nonzero is computed."""

from gradion.graph.sparse.jacobian import (
    SparseJacobian,
    argument_inputs,
    jacobian_graph,
    sparse_jacobian,
)
from gradion.graph.sparse.pattern import SparsePattern

__all__ = [
    "SparseJacobian",
    "SparsePattern",
    "argument_inputs",
    "jacobian_graph",
    "sparse_jacobian",
]
