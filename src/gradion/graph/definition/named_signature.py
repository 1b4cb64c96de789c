"""One way to call a graph: names and structures of what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from gradion.foundation.errors import InputError
from gradion.graph.definition.json_entry import JsonEntry
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.tree import Tree, TreeKind
from gradion.graph.graph import Graph, Tensor

__all__ = ["NamedSignature", "find_tensor"]


@final
@dataclass(frozen=True)
class NamedSignature:
    """`inputs` and `outputs` are tensors of the graph, `operation:index`, by their names for users.

    They are in the order of the leaves of the trees: `arguments`, a tuple, and `result`.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    arguments: Tree
    result: Tree

    def __post_init__(self) -> None:
        """Raise ValueError if names and trees do not fit."""
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))
        object.__setattr__(self, "outputs", MappingProxyType(dict(self.outputs)))
        if self.arguments.kind is not TreeKind.TUPLE:
            raise ValueError("the arguments of a call are a tuple")
        for what, names, tree in (
            ("inputs", self.inputs, self.arguments),
            ("outputs", self.outputs, self.result),
        ):
            expected = len(tree.leaf_names)
            if len(names) != expected:
                raise ValueError(f"{what}: got {len(names)} names, the tree has {expected} leaves")

    @classmethod
    def of(cls, graph: Graph) -> NamedSignature:
        """That of the function that was captured; of flat arrays where the graph has none."""
        inputs, outputs = list(graph.inputs), list(graph.outputs)
        if graph.signature is None:
            arguments, result = _flat(TreeKind.TUPLE, inputs), _flat(TreeKind.LIST, outputs)
        else:
            arguments = Tree.of(graph.signature.arguments)
            result = Tree.of(graph.signature.result)
        return cls(
            {tensor.operation.name: tensor.name for tensor in inputs},
            _named(result, outputs),
            arguments,
            result,
        )

    def to_json(self) -> Any:
        """The signature as JSON."""
        return {
            "inputs": [list(pair) for pair in self.inputs.items()],
            "outputs": [list(pair) for pair in self.outputs.items()],
            "arguments": self.arguments.to_json(),
            "result": self.result.to_json(),
        }

    @classmethod
    def from_json(cls, entry: JsonEntry, limits: Limits) -> NamedSignature:
        """The signature in a file; raises InputError."""
        fields = entry.fields(("inputs", "outputs", "arguments", "result"))
        arguments = Tree.from_json(fields["arguments"], limits)
        result = Tree.from_json(fields["result"], limits)
        try:
            return cls(_pairs(fields["inputs"]), _pairs(fields["outputs"]), arguments, result)
        except InputError:
            raise
        except ValueError as error:
            raise entry.error(str(error)) from None

    def check(self, graph: Graph) -> None:
        """Raise InputError, with near names, if a tensor is not of the graph; or is fed twice."""
        fed = [find_tensor(graph, name) for name in self.inputs.values()]
        for name in self.outputs.values():
            find_tensor(graph, name)
        if len(set(fed)) < len(fed):
            raise InputError("a signature feeds one tensor twice")


def find_tensor(graph: Graph, name: str) -> Tensor:
    """The tensor `operation:index`; raises InputError, with near names, if there is none."""
    operation_name, mark, index = name.rpartition(":")
    operation = graph.operation(operation_name if mark else name)
    for tensor in operation.outputs:
        if index == str(tensor.index):
            return tensor
    raise InputError(
        f"there is no tensor {name!r}",
        mend=f"the operation {operation.name!r} has {len(operation.outputs)} results",
    )


def _flat(kind: TreeKind, tensors: Sequence[Tensor]) -> Tree:
    return Tree(kind, (Tree(TreeKind.LEAF),) * len(tensors))


def _named(result: Tree, outputs: Sequence[Tensor]) -> dict[str, str]:
    """Outputs by their places in the result; `output` for a result that is one array."""
    found: dict[str, str] = {}
    for name, tensor in zip(result.leaf_names, outputs, strict=True):
        stem = name or "output"
        unique, number = stem, 1
        while unique in found:
            number += 1
            unique = f"{stem}_{number}"
        found[unique] = tensor.name
    return found


def _pairs(entry: JsonEntry) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in entry.items():
        parts = list(pair.items())
        if len(parts) != 2:
            raise pair.error("expected a name and a tensor")
        name = parts[0].label()
        if name in found:
            raise pair.error(f"the name {name!r} is there twice")
        found[name] = parts[1].label()
    return found
