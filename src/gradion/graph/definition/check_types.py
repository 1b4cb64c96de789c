"""Whether the results of operations have the types that a graph says, as JAX finds them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

from gradion.foundation.compat.dimension import symbolic_shape
from gradion.foundation.dimension import Dimension
from gradion.foundation.errors import InputError
from gradion.graph.definition.attribute_rules import check_attributes
from gradion.graph.definition.operand_rules import check_operands, check_results
from gradion.graph.graph import STATEFUL, Graph, Operation, Tensor
from gradion.graph.operation_table import frozen
from gradion.graph.operators import KINDS
from gradion.graph.sizes import bind_sizes, unknown_sizes

__all__ = ["check_evaluation", "check_operation"]

_STRUCTURAL: Final = STATEFUL | {"placeholder", "constant"}


def check_operation(operation: Operation) -> None:
    """Raise InputError if an operation is not as its kind says, as far as that is seen from it.

    The types of its results are looked at by `check_evaluation`.
    """
    if operation.kind not in KINDS and operation.kind not in _STRUCTURAL:
        raise InputError(
            f"the kind {operation.kind[:100]!r} is not known",
            mend="the file is of a newer gradion: update gradion",
        )
    check_operands(operation)
    check_attributes(operation)
    check_results(operation)


def check_evaluation(graph: Graph, root: str) -> None:
    """Raise InputError if JAX finds other types for an operation than it has, or fails.

    All operations, those of subgraphs too, have passed `check_operation`; `root` names the graph
    in errors. Nothing is computed: they are all traced at once, equal ones once.
    """
    sizes = {name: symbolic_shape((Dimension(name),))[0] for name in unknown_sizes(graph)}
    try:
        bound = bind_sizes(graph, sizes)
    except InputError as error:
        raise InputError(f"{error.what}: no input has it", where=root) from None
    distinct: dict[Hashable, Operation] = {}
    for operation in _all_operations(bound):
        if operation.kind not in _STRUCTURAL and not operation.subgraphs:
            distinct.setdefault(_signature(operation), operation)
    place = ""

    def trace_all(arrays: list[list[jax.Array]]) -> None:
        nonlocal place
        for operation, inputs in zip(distinct.values(), arrays, strict=True):
            place = f"{root}: operation {operation.name[:100]!r}"
            _require_types(operation, KINDS[operation.kind].evaluate(operation, inputs))

    try:
        jax.eval_shape(trace_all, [list(map(_abstract, o.inputs)) for o in distinct.values()])
    except InputError as error:
        raise InputError(error.what, where=place, mend=error.mend) from None
    except Exception as error:
        # JAX refuses an operation that makes no sense by errors of any class.
        reason = str(error).partition("\n")[0][:300]
        raise InputError(f"cannot be evaluated: {reason}", where=place) from error


def _all_operations(graph: Graph) -> Iterator[Operation]:
    for operation in graph:
        yield operation
        for subgraph in operation.subgraphs:
            yield from _all_operations(subgraph)


def _signature(operation: Operation) -> Hashable:
    types = tuple(tensor.type for tensor in (*operation.inputs, *operation.outputs))
    return operation.kind, frozen(operation.attributes), types, len(operation.inputs)


def _abstract(tensor: Tensor) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(symbolic_shape(tensor.shape), jnp.dtype(tensor.dtype))


def _require_types(operation: Operation, found: Sequence[Any]) -> None:
    if len(found) != len(operation.outputs):
        raise InputError(f"has {len(operation.outputs)} outputs, evaluation gives {len(found)}")
    for tensor, array in zip(operation.outputs, found, strict=True):
        # By JAX's own comparison: it knows which texts of sizes are equal.
        if array.dtype.name != tensor.dtype or array.shape != symbolic_shape(tensor.shape):
            shape = ",".join(map(str, array.shape))
            raise InputError(
                f"the output {tensor.index} is said to be {tensor.type}, evaluation gives "
                f"{array.dtype.name}[{shape}]"
            )
