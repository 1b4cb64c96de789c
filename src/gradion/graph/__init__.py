"""Static graphs: captured or written by hand, transformed, run in JAX, written as C++."""

from gradion.foundation.dimension import Dimension
from gradion.graph.capture import capture
from gradion.graph.evaluate import call, evaluate
from gradion.graph.graph import Graph, Operation, Tensor, TensorType
from gradion.graph.signature import Signature
from gradion.graph.sizes import bind_sizes
from gradion.graph.state import PureGraph, purify, with_variables
from gradion.graph.unsupported import UnsupportedOperationError

__all__ = [
    "Dimension",
    "Graph",
    "Operation",
    "PureGraph",
    "Signature",
    "Tensor",
    "TensorType",
    "UnsupportedOperationError",
    "bind_sizes",
    "call",
    "capture",
    "evaluate",
    "purify",
    "with_variables",
]
