"""A graph with the values of its variables and the ways to call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np

from gradion.foundation.errors import InputError, unknown_name
from gradion.graph.definition.named_signature import NamedSignature, find_tensor
from gradion.graph.definition.tree import Tree, TreeKind
from gradion.graph.evaluate import evaluate
from gradion.graph.graph import Graph, Tensor, TensorType
from gradion.graph.state import (
    PureGraph,
    initializers,
    purify,
    variable_type,
    variables,
    with_variables,
)
from gradion.graph.subgraph import subgraph
from gradion.module import Module

__all__ = ["DEFAULT_SIGNATURE", "GraphDef", "initial_values"]

# What is called where no other signature is named.
DEFAULT_SIGNATURE: Final = "default"


@final
@dataclass(frozen=True, eq=False)
class GraphDef:
    """What a file of a graph holds; it does not change, and has a finalized copy of the graph.

    `variables` are values by the names of variables, read-only; a variable without one has none
    until it is initialised. `signatures` are ways to call the graph, by name; `metadata` is text
    by name, such as an author or a licence.

    Raises InputError for a value that no variable holds and for a signature of other tensors.
    """

    graph: Graph
    variables: Mapping[str, np.ndarray] = field(default_factory=dict)
    signatures: Mapping[str, NamedSignature] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts fit, and let nothing be changed."""
        graph = _copy(self.graph)
        graph.finalize()
        object.__setattr__(self, "graph", graph)
        held = {operation.name: operation for operation in variables(self.graph)}
        values = {}
        for name, given in self.variables.items():
            if name not in held:
                raise unknown_name("variable", name, held)
            array = np.array(given)
            array.flags.writeable = False
            got, expected = TensorType(array.dtype.name, array.shape), variable_type(held[name])
            if got != expected:
                raise InputError(f"the variable {name!r} holds {expected}, got {got}")
            values[name] = array
        for signature in self.signatures.values():
            signature.check(self.graph)
        for name in ("signatures", "metadata"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        object.__setattr__(self, "variables", MappingProxyType(values))

    @classmethod
    def of(
        cls,
        graph: Graph,
        *,
        held: Mapping[int, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> GraphDef:
        """The definition of a captured graph.

        `held` are arguments, by position, whose arrays become variables, each under the name of
        its input, with these values first: `held={0: module}` for a function of a Module and of
        data. Of a Module, its trainable Parameters are trainable variables; of other arguments,
        what is floating. The call takes what is left of the arguments: a position that is held is
        left out.

        Variables that the graph has already have the values of their initializers, where these
        are constants. Raises InputError for an argument that is not of the captured structure.
        """
        signature = NamedSignature.of(graph)
        if held:
            values, kept, arguments = _held(signature, held)
            graph = with_variables(graph, values, trainable=_trainable(signature, held))
            inputs = {name: signature.inputs[name] for name in kept}
            outputs = dict(
                zip(signature.outputs, (tensor.name for tensor in graph.outputs), strict=True)
            )
            signature = NamedSignature(inputs, outputs, arguments, signature.result)
        return cls(
            graph,
            initial_values(graph),
            {DEFAULT_SIGNATURE: signature},
            {} if metadata is None else metadata,
        )

    def call(self, *arguments: Any, signature_name: str = DEFAULT_SIGNATURE) -> Any:
        """The result for these arguments, with the variables as they are here.

        An argument has the structure of the example: a dict, list or tuple for a dict, list or
        tuple; for a Module either one of the same arrays, or a dict of them by their dotted names.
        In the result, a Module is such a dict, and a namedtuple a `NamedTuple`. Works under all
        transformations of JAX, and what the graph assigns to variables is dropped.

        Raises TypeError for another structure or dtype, ValueError for another shape, InputError
        for an unknown signature, and for a variable without a value.
        """
        signature = self._signature(signature_name)
        expected = len(signature.arguments.children)
        if len(arguments) != expected:
            raise TypeError(f"got {len(arguments)} arguments, expected {expected}")
        given = signature.arguments.flatten(arguments, "arguments")
        part = self.function(signature_name=signature_name)
        missing = [v.name for v in part.reads if v.name not in self.variables]
        if missing:
            raise InputError(f"the variable {missing[0]!r} has no value: it is not initialised")
        values = [self.variables[variable.name] for variable in part.reads]
        found = evaluate(part.graph, [*given, *values])
        return signature.result.unflatten(iter(found[: len(signature.outputs)]))

    def function(self, *, signature_name: str = DEFAULT_SIGNATURE) -> PureGraph:
        """What a signature computes, as a graph without state.

        Its inputs are those of the signature, then the values of the variables that it reads; its
        outputs those of the signature, then what `PureGraph` says. Raises InputError for an
        unknown signature, and for one that does not feed an input that it needs.
        """
        signature = self._signature(signature_name)
        feeds = [find_tensor(self.graph, name) for name in signature.inputs.values()]
        fetches = [find_tensor(self.graph, name) for name in signature.outputs.values()]
        part = subgraph(self.graph, fetches, feeds)
        for tensor in part.inputs[len(feeds) :]:
            raise InputError(f"the signature {signature_name!r} does not feed {tensor.name!r}")
        return purify(part)

    def _signature(self, name: str) -> NamedSignature:
        if name not in self.signatures:
            raise unknown_name("signature", name, self.signatures)
        return self.signatures[name]


def initial_values(graph: Graph) -> dict[str, np.ndarray]:
    """The values of those variables whose initializers are constants."""
    found = {}
    for name, assignment in initializers(graph).items():
        source = assignment.inputs[0].operation
        while source.kind == "identity":
            source = source.inputs[0].operation
        if source.value is not None:
            found[name] = source.value
    return found


def _held(
    signature: NamedSignature, held: Mapping[int, Any]
) -> tuple[dict[str, Any], list[str], Tree]:
    """Values by names of inputs, and the names and the tree of what is left of them."""
    children = signature.arguments.children
    names = list(signature.inputs)  # a placeholder's own
    values: dict[str, Any] = {}
    for position, argument in held.items():
        if not 0 <= position < len(children):
            raise InputError(f"held: there is no argument {position}, but {len(children)} in all")
        try:
            arrays = children[position].flatten(argument, f"held[{position}]")
        except TypeError as error:
            raise InputError(str(error)) from None
        first = sum(len(child.leaf_names) for child in children[:position])
        values.update(zip(names[first:], map(np.asarray, arrays), strict=False))
    kept = tuple(child for i, child in enumerate(children) if i not in held)
    left = [name for name in names if name not in values]
    return values, left, Tree(TreeKind.TUPLE, kept)


def _trainable(signature: NamedSignature, held: Mapping[int, Any]) -> set[str]:
    """The names of inputs of held arguments that an optimiser may change."""
    names = list(signature.inputs)
    children = signature.arguments.children
    found: set[str] = set()
    for position, argument in held.items():
        first = sum(len(child.leaf_names) for child in children[:position])
        inside = children[position].leaf_names
        chosen = argument.parameter_values() if isinstance(argument, Module) else inside
        found.update(
            name for name, leaf in zip(names[first:], inside, strict=False) if leaf in chosen
        )
    return found


def _copy(graph: Graph) -> Graph:
    """The same graph, open."""
    made = Graph()
    known: dict[Tensor, Tensor] = {}
    for operation in graph:
        copy = made.copy(
            operation,
            [known[tensor] for tensor in operation.inputs],
            control_inputs=[made.operation(before.name) for before in operation.control_inputs],
        )
        known.update(zip(operation.outputs, copy.outputs, strict=True))
    made.inputs = [known[tensor] for tensor in graph.inputs]
    made.outputs = [known[tensor] for tensor in graph.outputs]
    made.signature = graph.signature
    return made
