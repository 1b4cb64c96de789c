"""Static graphs: captured from functions of JAX, evaluated in JAX, written as C++."""

from gradion.graph.capture import capture
from gradion.graph.evaluate import call, evaluate
from gradion.graph.graph import Graph, Operation, Tensor, TensorType
from gradion.graph.signature import Signature
from gradion.graph.unsupported import UnsupportedOperationError

__all__ = [
    "Graph",
    "Operation",
    "Signature",
    "Tensor",
    "TensorType",
    "UnsupportedOperationError",
    "call",
    "capture",
    "evaluate",
]
