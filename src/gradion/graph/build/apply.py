"""Any function of JAX as operations of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradion.graph.build.context import context_for, user_line
from gradion.graph.capture import ProgramWriter, traced
from gradion.graph.context import BuildContext, joined
from gradion.graph.graph import Operation, Tensor
from gradion.graph.operand import AbstractOperand

__all__ = ["apply", "identity"]


def apply(function: Callable[..., Any], *arguments: Any, name: str = "", **options: Any) -> Any:
    """Add what a pure function of arrays does to the graph; its result, with Tensors for arrays.

    Tensors and Variables may stand anywhere in the trees of the arguments; the function gets
    arrays in their places. All else is given to it as it is, `options` too. The operations run
    after those of the enclosing `control_dependencies`. With `name`, they stand in a scope of that
    name, and the operation of the first result has the name itself.

    Raises ValueError for tensors of different graphs, RuntimeError where there is neither a tensor
    nor a current graph, UnsupportedOperationError for an operation outside of the documented set,
    and what the function raises.
    """
    leaves, tree = jax.tree.flatten(arguments, is_leaf=_is_operand)
    places = [i for i, leaf in enumerate(leaves) if _is_operand(leaf)]
    tensors = [leaves[i].as_tensor() for i in places]
    context = context_for(tensors[0].operation.graph if tensors else None)
    structure: list[Any] = []

    def flat(*arrays: Any) -> list[Any]:
        given = list(leaves)
        for place, array in zip(places, arrays, strict=True):
            given[place] = array
        out, result = jax.tree.flatten(function(*jax.tree.unflatten(tree, given), **options))
        structure.append(result)
        return [jnp.asarray(y) for y in out]

    shapes = [jax.ShapeDtypeStruct(t.shape, jnp.dtype(t.dtype)) for t in tensors]
    program = traced(flat, shapes, keep_rules=True)
    scope = joined(context.scope, name)
    writer = ProgramWriter(context.graph, keep_rules=True, control_inputs=context.control_inputs)
    found = writer.write(program, tensors, scope, user_line())
    results = [_own_result(tensor, context, writer.added) for tensor in found]
    if name and results:
        context.graph.rename(results[0].operation, scope)
    return jax.tree.unflatten(structure[-1], results)


def identity(tensor: Any, *, name: str = "") -> Tensor:
    """The tensor again, by an operation of its own: where something is to be waited for."""
    return apply(_same, tensor, name=name)


def _same(x: Any) -> Any:
    return x


def _is_operand(leaf: Any) -> bool:
    return isinstance(leaf, AbstractOperand)


def _own_result(tensor: Tensor, context: BuildContext, added: set[Operation]) -> Tensor:
    """The result; by an operation of its own where it was handed through or is a constant.

    Only an operation can have a name, or wait for others.
    """
    if tensor.operation in added:
        return tensor
    return context.graph.add(
        "identity",
        (tensor,),
        (tensor.type,),
        scope=context.scope,
        source=user_line(),
        control_inputs=context.control_inputs,
    ).outputs[0]
