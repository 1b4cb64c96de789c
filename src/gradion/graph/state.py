"""Variables and checks: what a run reads, leaves behind, and asks.

A variable is an operation that names a value kept outside of the graph. Reads, assignments and
checks happen in the order in which they were added to the graph. `purify` turns all of them into
inputs and outputs, so that passes and back ends see functions only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.foundation.errors import InputError, unknown_name
from gradion.graph.graph import Graph, Operation, Tensor, TensorType

__all__ = [
    "PureGraph",
    "add_assignment",
    "add_read",
    "add_variable",
    "initializers",
    "purify",
    "variable_type",
    "variables",
    "with_variables",
]


def add_variable(
    graph: Graph,
    variable_type: TensorType,
    *,
    name: str,
    trainable: bool = True,
    scope: str = "",
    source: SourceLine | None = None,
) -> Operation:
    """Add a variable; it has no value until an assignment to it has run."""
    given = {
        "dtype": variable_type.dtype,
        "shape": list(variable_type.numbers),
        "trainable": trainable,
    }
    return graph.add("variable", (), (), name=name, attributes=given, scope=scope, source=source)


def add_read(
    graph: Graph,
    variable: Operation,
    *,
    control_inputs: Sequence[Operation] = (),
    source: SourceLine | None = None,
) -> Tensor:
    """Add an operation whose result is the value of the variable when it runs."""
    return graph.add(
        "read_variable",
        (),
        (variable_type(variable),),
        attributes={"variable": variable.name},
        scope=variable.name,
        source=source,
        control_inputs=(variable, *control_inputs),
    ).outputs[0]


def add_assignment(
    graph: Graph,
    variable: Operation,
    value: Tensor,
    *,
    initial: bool = False,
    control_inputs: Sequence[Operation] = (),
    source: SourceLine | None = None,
) -> Tensor:
    """Add an operation that gives the variable a new value; its result is that value.

    `initial` marks the one that initialises. Raises InputError if dtype or shape do not fit.
    """
    expected = variable_type(variable)
    if value.type != expected:
        raise InputError(
            f"the variable {variable.name!r} holds {expected}, got {value.type}",
            where=None if source is None else str(source),
        )
    return graph.add(
        "assign_variable",
        (value,),
        (value.type,),
        name=f"{variable.name}/initializer" if initial else None,
        attributes={"variable": variable.name, "initial": initial},
        scope=variable.name,
        source=source,
        control_inputs=(variable, *control_inputs),
    ).outputs[0]


def variable_type(variable: Operation) -> TensorType:
    """What a variable holds."""
    return TensorType(variable.attributes["dtype"], tuple(variable.attributes["shape"]))


def variables(graph: Graph) -> tuple[Operation, ...]:
    """The variables of a graph, in order."""
    return tuple(operation for operation in graph if operation.kind == "variable")


def initializers(graph: Graph) -> dict[str, Operation]:
    """The assignments that initialise, by the names of the variables."""
    return {
        operation.attributes["variable"]: operation
        for operation in graph
        if operation.kind == "assign_variable" and operation.attributes["initial"]
    }


@final
@dataclass(frozen=True, eq=False)
class PureGraph:
    """A graph whose state is in its inputs and outputs.

    The inputs are those of the graph with state, then the values of the variables `reads`; the
    outputs are those of the graph with state, then the new values of the variables `writes`, then
    the conditions of `checks`, all in order.
    """

    graph: Graph
    reads: tuple[Operation, ...]
    writes: tuple[Operation, ...]
    checks: tuple[Operation, ...]


def purify(graph: Graph) -> PureGraph:
    """The function that one run of all operations of a graph is."""
    pure = Graph()
    known: dict[Tensor, Tensor] = {}
    for tensor in graph.inputs:
        known[tensor] = pure.copy(tensor.operation, ()).outputs[0]
    held = {operation.name: operation for operation in variables(graph)}
    current: dict[str, Tensor] = {}
    reads: list[Operation] = []
    writes: dict[str, None] = {}
    checks: list[Operation] = []
    conditions: list[Tensor] = []
    for operation in graph:
        match operation.kind:
            case "placeholder" | "variable" | "group":
                pass
            case "identity":
                known[operation.outputs[0]] = known[operation.inputs[0]]
            case "read_variable":
                name = operation.attributes["variable"]
                if name not in current:
                    current[name] = pure.placeholder(operation.outputs[0].type, name=name)
                    reads.append(held[name])
                known[operation.outputs[0]] = current[name]
            case "assign_variable":
                name = operation.attributes["variable"]
                current[name] = known[operation.outputs[0]] = known[operation.inputs[0]]
                writes[name] = None
            case "check":
                checks.append(operation)
                conditions.append(known[operation.inputs[0]])
            case _:
                made = pure.copy(operation, [known[tensor] for tensor in operation.inputs])
                known.update(zip(operation.outputs, made.outputs, strict=True))
    results = [known[tensor] for tensor in graph.outputs]
    pure.outputs = [*results, *(current[name] for name in writes), *conditions]
    return PureGraph(pure, tuple(reads), tuple(held[n] for n in writes), tuple(checks))


def with_variables(
    graph: Graph, initial: Mapping[str, Any], *, trainable: Collection[str] | None = None
) -> Graph:
    """The graph with variables in place of the inputs that are named, initialised with arrays.

    `initial` maps names of inputs to their first values; the variables have the same names.
    `trainable` names those that `minimize` may change, without it all that are floating. What is
    left of the inputs keeps its order. The signature is dropped: it is of the old inputs.

    Raises InputError for a name that is no input, and for a value that does not fit it.
    """
    inputs = {tensor.operation.name: tensor for tensor in graph.inputs}
    for name in initial:
        if name not in inputs:
            raise unknown_name("input", name, inputs)
    made = Graph()
    known: dict[Tensor, Tensor] = {}
    for operation in graph:
        if operation.name in initial:
            (tensor,) = operation.outputs
            array = np.asarray(initial[operation.name])
            variable = add_variable(
                made,
                tensor.type,
                name=operation.name,
                trainable=np.issubdtype(array.dtype, np.floating)
                and (trainable is None or operation.name in trainable),
                scope=operation.scope,
                source=operation.source,
            )
            first = made.constant(array, name=f"{operation.name}/initial_value")
            add_assignment(made, variable, first, initial=True, source=operation.source)
            known[tensor] = add_read(made, variable, source=operation.source)
            continue
        copy = made.copy(
            operation,
            [known[tensor] for tensor in operation.inputs],
            control_inputs=[made.operation(before.name) for before in operation.control_inputs],
        )
        known.update(zip(operation.outputs, copy.outputs, strict=True))
    made.outputs = [known[tensor] for tensor in graph.outputs]
    return made
