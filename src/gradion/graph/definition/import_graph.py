"""A graph copied into another one, as TensorFlow 1's import_graph_def does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gradion.foundation.errors import InputError
from gradion.graph.context import joined
from gradion.graph.definition.graph_def import GraphDef, initial_values
from gradion.graph.definition.named_signature import find_tensor
from gradion.graph.graph import Graph, Operation, Tensor

__all__ = ["Imported", "import_graph"]


@final
@dataclass(frozen=True, eq=False)
class Imported:
    """What an import added to a graph.

    `prefix` stands in front of the new names, empty or without the slash; `returned` are the
    elements that were asked for, in order; `variables` the values that came along, by the new
    names.
    """

    prefix: str
    returned: tuple[Tensor | Operation, ...]
    variables: Mapping[str, np.ndarray]


def import_graph(
    source: GraphDef | Graph,
    into: Graph,
    *,
    input_map: Mapping[str, Tensor] | None = None,
    return_elements: Sequence[str] = (),
    prefix: str = "import",
) -> Imported:
    """Copy all operations of a definition or a graph into a graph.

    `input_map` maps tensors of the source, `operation:index` or `operation` for its first result,
    to tensors of `into` that are used in their place. A placeholder that is mapped is not copied.
    `prefix` and a slash stand in front of all names, scopes and variables; a number is added where
    `into` has the name already. Without a prefix, names must not be there yet. `return_elements`
    are names of tensors (with an index) and operations (without); a mapped tensor comes back as
    what it is mapped to. Inputs of the source become inputs of `into`; its outputs stay.

    Raises InputError, with near names, for a tensor or element that the source does not have, for
    a type that does not fit, and for a name that is taken; nothing is added then. Raises
    ValueError for a tensor of another graph, RuntimeError if `into` is finalized.
    """
    graph = source.graph if isinstance(source, GraphDef) else source
    values = source.variables if isinstance(source, GraphDef) else initial_values(graph)
    if into.finalized:
        raise RuntimeError("the graph is finalized: nothing can be added to it")
    mapped = _mapped(graph, into, input_map or {})
    elements = [_element(graph, name) for name in return_elements]
    copied = [o for o in graph if not (o.kind == "placeholder" and o.outputs[0] in mapped)]
    prefix = _free_prefix(prefix.strip("/"), copied, into)
    known = dict(mapped)
    made = {tensor.operation: target.operation for tensor, target in mapped.items()}
    for operation in copied:
        made[operation] = copy = into.add(
            operation.kind,
            [known[tensor] for tensor in operation.inputs],
            [tensor.type for tensor in operation.outputs],
            name=joined(prefix, operation.name),
            attributes=_attributes(operation, prefix),
            subgraphs=operation.subgraphs,
            value=operation.value,
            scope=joined(prefix, operation.scope),
            source=operation.source,
            control_inputs=[made[before] for before in operation.control_inputs],
        )
        for old, new in zip(operation.outputs, copy.outputs, strict=True):
            known.setdefault(old, new)
    returned = [known[e] if isinstance(e, Tensor) else made[e] for e in elements]
    return Imported(prefix, tuple(returned), {joined(prefix, n): x for n, x in values.items()})


def _element(graph: Graph, name: str) -> Tensor | Operation:
    """The operation of this name, or the tensor."""
    if any(operation.name == name for operation in graph):
        return graph.operation(name)
    return find_tensor(graph, name)


def _mapped(graph: Graph, into: Graph, input_map: Mapping[str, Tensor]) -> dict[Tensor, Tensor]:
    found: dict[Tensor, Tensor] = {}
    for name, target in input_map.items():
        element = _element(graph, name)
        tensor = element if isinstance(element, Tensor) else find_tensor(graph, f"{name}:0")
        if target.operation.graph is not into:
            raise ValueError(f"input_map[{name!r}]: {target!r} is of another graph")
        if target.type != tensor.type:
            raise InputError(f"input_map[{name!r}]: expected {tensor.type}, got {target!r}")
        if tensor in found:
            raise InputError(f"input_map: {tensor.name} is there twice")
        found[tensor] = target
    return found


def _free_prefix(prefix: str, copied: Sequence[Operation], into: Graph) -> str:
    taken = {operation.name for operation in into}
    if not prefix:
        for operation in copied:
            if operation.name in taken:
                raise InputError(
                    f"the name {operation.name!r} is taken in the graph", mend="give a prefix"
                )
        return ""
    tops = {part for name in taken for part in _beginnings(name)}
    unique, number = prefix, 0
    while unique in tops:
        number += 1
        unique = f"{prefix}_{number}"
    return unique


def _beginnings(name: str) -> list[str]:
    """All scopes that a name is in, and the name."""
    parts = name.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _attributes(operation: Operation, prefix: str) -> dict[str, Any]:
    """The attributes; what reads or assigns a variable names it."""
    given = dict(operation.attributes)
    if operation.kind in ("read_variable", "assign_variable"):
        given["variable"] = joined(prefix, given["variable"])
    return given
