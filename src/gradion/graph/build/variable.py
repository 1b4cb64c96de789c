"""Variables: values that outlive a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import jax.numpy as jnp

from gradion.graph.build.apply import apply
from gradion.graph.build.context import context_for, user_line
from gradion.graph.build.control import group
from gradion.graph.context import joined
from gradion.graph.graph import Graph, Operation, Tensor, TensorType
from gradion.graph.operand import AbstractOperand
from gradion.graph.state import (
    add_assignment,
    add_read,
    add_variable,
    initializers,
    variable_type,
    variables,
)

__all__ = ["Variable", "graph_variables", "initialize_all", "variable"]


@final
class Variable(AbstractOperand):
    """A handle of a variable; in operations it stands for its value at that place of the graph.

    Reads and assignments run in the order in which they were added to the graph.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    @property
    def name(self) -> str:
        """The name of its operation."""
        return self.operation.name

    @property
    def graph(self) -> Graph:
        """The graph that it is of."""
        return self.operation.graph

    @property
    def type(self) -> TensorType:
        """What it holds."""
        return variable_type(self.operation)

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.type.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.type.numbers

    @property
    def trainable(self) -> bool:
        """Whether `minimize` changes it."""
        return bool(self.operation.attributes["trainable"])

    @property
    def initializer(self) -> Operation:
        """The operation that gives it its first value. Raises ValueError if it has none."""
        found = initializers(self.graph).get(self.name)
        if found is None:
            raise ValueError(f"the variable {self.name!r} has no initialiser")
        return found

    def as_tensor(self) -> Tensor:
        """Its value where the operation runs that is added here."""
        return add_read(
            self.graph,
            self.operation,
            control_inputs=context_for(self.graph).control_inputs,
            source=user_line(),
        )

    def assign(self, value: Any) -> Tensor:
        """Give it a new value; the result is that value.

        Raises InputError for another shape, TypeError for a dtype that is not of the same kind.
        """
        return self._assign(apply(lambda x: _cast(x, self.dtype), value))

    def assign_add(self, value: Any) -> Tensor:
        """Add to it; the result is the new value. Raises what `assign` raises."""
        return self._assign(apply(lambda v, x: v + _cast(x, self.dtype), self, value))

    def assign_sub(self, value: Any) -> Tensor:
        """Subtract from it; the result is the new value. Raises what `assign` raises."""
        return self._assign(apply(lambda v, x: v - _cast(x, self.dtype), self, value))

    def __repr__(self) -> str:
        """Name and type."""
        return f"Variable({self.name}: {self.type})"

    def _assign(self, value: Tensor) -> Tensor:
        return add_assignment(
            self.graph,
            self.operation,
            value,
            control_inputs=context_for(self.graph).control_inputs,
            source=user_line(),
        )


def variable(
    initial: Any,
    *,
    name: str = "variable",
    dtype: Any = None,
    trainable: bool = True,
) -> Variable:
    """A variable of the current graph.

    `initial` is an array, a number, a Tensor, or a function without arguments of JAX that gives an
    array; it is evaluated when the initialiser runs. Its sizes must be numbers. Only floating
    variables are trainable.
    """
    context = context_for(None)
    path = context.graph.free_name(joined(context.scope, name))
    make: Callable[..., Any] = initial if callable(initial) else lambda: initial
    is_operand = isinstance(initial, AbstractOperand)
    arguments = (initial,) if is_operand else ()
    value = apply(lambda *x: jnp.asarray(x[0] if is_operand else make(), dtype), *arguments)
    operation = add_variable(
        context.graph,
        value.type,
        name=path,
        trainable=trainable and jnp.issubdtype(value.dtype, jnp.floating),
        scope=context.scope,
        source=user_line(),
    )
    add_assignment(context.graph, operation, value, initial=True, source=user_line())
    return Variable(operation)


def graph_variables(graph: Graph) -> dict[str, Variable]:
    """Handles of all variables of a graph, by name, in order."""
    return {operation.name: Variable(operation) for operation in variables(graph)}


def initialize_all(*, name: str = "") -> Operation:
    """An operation that gives the variables that the graph has by now their first values."""
    graph = context_for(None).graph
    return group(list(initializers(graph).values()), name=name or "initialize_all")


def _cast(x: Any, dtype: str) -> Any:
    array = jnp.asarray(x)
    if not jnp.can_cast(array.dtype, dtype, casting="same_kind"):
        raise TypeError(f"a variable of {dtype} cannot take {array.dtype}; convert it first")
    return array.astype(dtype)
