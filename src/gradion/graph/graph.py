"""The graph: named operations in the order in which they can run, and handles of their results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.foundation.dimension import Size
from gradion.foundation.errors import unknown_name
from gradion.graph.context import build_contexts, resumed
from gradion.graph.operand import AbstractOperand
from gradion.graph.signature import Signature

__all__ = ["CUSTOM_KINDS", "STATEFUL", "Graph", "Operation", "Tensor", "TensorType"]

# Kinds that read or change what outlives a run, or can fail (gradion.graph.state).
STATEFUL: Final = frozenset({"variable", "read_variable", "assign_variable", "check", "group"})
# Kinds with a derivative rule of their own: subgraphs are the value and, if it is there, the rule.
CUSTOM_KINDS: Final = frozenset({"custom_jvp", "custom_vjp"})


@final
@dataclass(frozen=True)
class TensorType:
    """A dtype, by name, and a shape of numbers and of Dimensions, which are not known yet."""

    dtype: str
    shape: tuple[Size, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The shape. Raises ValueError if a size is not known."""
        known = tuple(size for size in self.shape if isinstance(size, int))
        if len(known) < len(self.shape):
            raise ValueError(f"{self}: a size is not known; use gradion.graph.bind_sizes first")
        return known

    @property
    def size(self) -> int:
        """The number of elements. Raises ValueError if a size is not known."""
        return math.prod(self.numbers)

    def __str__(self) -> str:
        """Return dtype and shape as in `float64[3,4]`."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@final
@dataclass(frozen=True, eq=False)
class Tensor(AbstractOperand):
    """One result of an operation; a handle, compared by identity.

    Python's operators add operations to its graph.
    """

    operation: Operation
    index: int
    type: TensorType

    @property
    def name(self) -> str:
        """`operation:index`."""
        return f"{self.operation.name}:{self.index}"

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.type.dtype

    @property
    def shape(self) -> tuple[Size, ...]:
        """The shape."""
        return self.type.shape

    @property
    def graph(self) -> Graph:
        """The graph that it is of."""
        return self.operation.graph

    def as_tensor(self) -> Tensor:
        """Itself."""
        return self

    def __repr__(self) -> str:
        """Name and type."""
        return f"Tensor({self.name}: {self.type})"


@final
class Operation:
    """A node of a graph.

    `kind` is the operation's name in `gradion.graph.operators`, or "placeholder" or "constant".
    `attributes` are JSON values; `subgraphs` the branches of a conditional or the parts of a loop;
    `value` the array of a constant; `scope` the named scopes around it, parted by "/"; `source`
    the line of code that it comes from. `control_inputs` run before it without giving it anything;
    `graph` is the graph that it is in.
    """

    __slots__ = (
        "attributes",
        "control_inputs",
        "graph",
        "inputs",
        "kind",
        "name",
        "outputs",
        "scope",
        "source",
        "subgraphs",
        "value",
    )

    def __init__(
        self,
        graph: Graph,
        name: str,
        kind: str,
        inputs: Sequence[Tensor],
        types: Sequence[TensorType],
        *,
        attributes: Mapping[str, Any] | None = None,
        subgraphs: Sequence[Graph] = (),
        value: np.ndarray | None = None,
        scope: str = "",
        source: SourceLine | None = None,
        control_inputs: Sequence[Operation] = (),
    ) -> None:
        self.graph = graph
        self.name = name
        self.kind = kind
        self.inputs = tuple(inputs)
        self.attributes = dict(attributes or {})
        self.outputs = tuple(Tensor(self, i, t) for i, t in enumerate(types))
        self.subgraphs = tuple(subgraphs)
        self.value = value
        self.scope = scope
        self.source = source
        self.control_inputs = tuple(control_inputs)

    def __repr__(self) -> str:
        """One line: results, kind, arguments, attributes."""
        results = ", ".join(str(t.type) for t in self.outputs)
        arguments = ", ".join(t.name for t in self.inputs)
        given = "".join(f", {key}={value!r}" for key, value in self.attributes.items())
        given += "".join(f", ^{operation.name}" for operation in self.control_inputs)
        return f"{self.name}: {results} = {self.kind}({arguments}{given})"


@final
class Graph:
    """Operations in an order in which they can run, with inputs and outputs; it only grows.

    `inputs` are the results of its placeholders in the order of the call. A finalized graph takes
    no more operations. `signature` has the trees of the captured function, None where it took and
    gave flat arrays.
    """

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._counts: dict[str, int] = {}
        self._inputs: list[Tensor] = []
        self._outputs: tuple[Tensor, ...] = ()
        self._finalized = False
        # The trees of the function that was captured; None for one of flat arrays.
        self.signature: Signature | None = None

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All operations, each after those whose results it takes."""
        return tuple(self._operations.values())

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The results of the placeholders, in the order of a call: that in which they were added.

        Set, it is that of a permutation; raises ValueError for any other tensors.
        """
        return tuple(self._inputs)

    @inputs.setter
    def inputs(self, tensors: Sequence[Tensor]) -> None:
        self._require_open()
        placeholders = {o.outputs[0] for o in self if o.kind == "placeholder"}
        if len(tensors) != len(placeholders) or set(tensors) != placeholders:
            raise ValueError("the inputs of a graph are its placeholders, each once")
        self._inputs = list(tensors)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the graph computes, in order; one tensor may stand twice."""
        return self._outputs

    @outputs.setter
    def outputs(self, tensors: Sequence[Tensor]) -> None:
        self._require_open()
        self._require_own(tensors)
        self._outputs = tuple(tensors)

    @property
    def finalized(self) -> bool:
        """Whether the graph takes no more operations."""
        return self._finalized

    def finalize(self) -> None:
        """Let nothing be added any more."""
        self._finalized = True

    def placeholder(self, tensor_type: TensorType, *, name: str) -> Tensor:
        """Add an input."""
        return self.add("placeholder", (), (tensor_type,), name=name).outputs[0]

    def constant(self, value: Any, *, name: str | None = None, scope: str = "") -> Tensor:
        """Add an array as a part of the graph."""
        array = np.asarray(value)
        types = (TensorType(array.dtype.name, array.shape),)
        return self.add("constant", (), types, name=name, value=array, scope=scope).outputs[0]

    def add(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        types: Sequence[TensorType],
        *,
        name: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        subgraphs: Sequence[Graph] = (),
        value: np.ndarray | None = None,
        scope: str = "",
        source: SourceLine | None = None,
        control_inputs: Sequence[Operation] = (),
    ) -> Operation:
        """Add an operation; without a name it is called `scope/kind_N`.

        Raises RuntimeError if the graph is finalized, ValueError for a tensor or an operation of
        another graph, and for a name that is empty or has a colon or a caret in it.
        """
        self._require_open()
        self._require_own(inputs)
        _require_name(kind if name is None else name)
        for before in control_inputs:
            if before.graph is not self:
                raise ValueError(f"the operation {before.name!r} is of another graph")
        path = name if name is not None else f"{scope}/{kind}" if scope else kind
        operation = Operation(
            self,
            self._unique(path, numbered=name is None),
            kind,
            inputs,
            types,
            attributes=attributes,
            subgraphs=subgraphs,
            value=value,
            scope=scope,
            source=source,
            control_inputs=control_inputs,
        )
        self._operations[operation.name] = operation
        if kind == "placeholder":  # string: kinds are the words of a file
            self._inputs.append(operation.outputs[0])
        return operation

    def copy(
        self,
        operation: Operation,
        inputs: Sequence[Tensor],
        *,
        name: str | None = None,
        control_inputs: Sequence[Operation] = (),
    ) -> Operation:
        """Add an operation as another graph has it, with these inputs; under its name or another.

        Raises what `add` raises.
        """
        return self.add(
            operation.kind,
            inputs,
            [tensor.type for tensor in operation.outputs],
            name=operation.name if name is None else name,
            attributes=operation.attributes,
            subgraphs=operation.subgraphs,
            value=operation.value,
            scope=operation.scope,
            source=operation.source,
            control_inputs=control_inputs,
        )

    def free_name(self, name: str) -> str:
        """The name, with a number behind it where an operation has it already."""
        return self._unique(name, numbered=False)

    def rename(self, operation: Operation, name: str) -> None:
        """Give an operation another name, with a number behind it where that is taken.

        What refers to the operation refers to it still. Raises RuntimeError if the graph is
        finalized, ValueError for an operation of another graph and for a variable, which is
        referred to by name.
        """
        self._require_open()
        _require_name(name)
        if operation.graph is not self or operation.kind == "variable":
            raise ValueError(f"{operation.name!r} cannot be renamed in this graph")
        new = self.free_name(name)
        if next(reversed(self._operations)) == operation.name:
            del self._operations[operation.name]
            self._operations[new] = operation
        else:
            self._operations = {
                new if other is operation else key: other for key, other in self._operations.items()
            }
        operation.name = new

    def subgraph(
        self, fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor] = ()
    ) -> Graph:
        """What has to run for the fetches; see `gradion.graph.subgraph`."""
        from gradion.graph.subgraph import subgraph

        return subgraph(self, fetches, feeds)

    def gradients(
        self,
        ys: Sequence[AbstractOperand],
        xs: Sequence[AbstractOperand],
        grad_ys: Sequence[AbstractOperand | None] | None = None,
    ) -> list[Tensor | None]:
        """The gradients of the sum of ys; see `gradion.graph.gradients`."""
        from gradion.graph.gradients import gradients

        return gradients(ys, xs, grad_ys)

    def hessian(self, y: AbstractOperand, xs: Sequence[AbstractOperand]) -> list[Tensor | None]:
        """The second derivatives of y; see `gradion.graph.gradients.hessian`."""
        from gradion.graph.gradients import hessian

        return hessian(y, xs)

    def __enter__(self) -> Graph:
        """Let operators and functions of `gradion.graph.build` add to this graph.

        A scope and control dependencies that are open for it stay open.
        """
        build_contexts.set((*build_contexts.get(), resumed(self)))
        return self

    def __exit__(self, *_: object) -> None:
        """Go back to the graph of before."""
        build_contexts.set(build_contexts.get()[:-1])

    def operation(self, name: str) -> Operation:
        """The operation of this name; raises InputError, with near names, if there is none."""
        if name not in self._operations:
            raise unknown_name("operation", name, self._operations)
        return self._operations[name]

    def __iter__(self) -> Iterator[Operation]:
        """Over the operations."""
        return iter(self.operations)

    def __len__(self) -> int:
        """The number of operations."""
        return len(self._operations)

    def __str__(self) -> str:
        """Return a listing: a line an operation, then the outputs."""
        lines = [repr(operation) for operation in self]
        return "\n".join([*lines, "outputs: " + ", ".join(t.name for t in self.outputs)])

    def _unique(self, path: str, *, numbered: bool) -> str:
        if not numbered and path not in self._operations:
            return path
        number = self._counts.get(path, 0)
        while True:
            number += 1
            if f"{path}_{number}" not in self._operations:
                self._counts[path] = number
                return f"{path}_{number}"

    def _require_open(self) -> None:
        if self._finalized:
            raise RuntimeError("the graph is finalized: nothing can be added to it")

    def _require_own(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            if tensor.operation.graph is not self:
                raise ValueError(f"{tensor!r} is of another graph")


def _require_name(name: str) -> None:
    # `name:0` is a tensor, `^name` a control input.
    if not name or any(c in name for c in ":^"):
        raise ValueError(f"got the name {name!r}, expected one without ':' and '^'")
