"""How much memory a graph takes where its operations run one after the other.

A result lives from the operation that makes it to the last one that reads it, and memory is used
again as `gradion.graph.placement` says. A reshape is its operand, seen in another way; an
elementwise operation writes over an operand of its size that nothing reads any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

import jax
import jax.numpy as jnp

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.operators import ELEMENTWISE_KINDS
from gradion.graph.placement import Block, place_blocks

__all__ = ["CompiledMemory", "MemoryPlan", "PlacedTensor", "compiled_memory", "plan_memory"]

_VIEWS: Final = frozenset({"reshape", "squeeze", "stop_gradient"})


@final
@dataclass(frozen=True)
class PlacedTensor:
    """Memory of the workspace: `names` are the tensors that take turns in it.

    It is in use from the operation at `first` to that at `last`, places in the graph's order.
    """

    names: tuple[str, ...]
    offset: int  # [bytes]
    n_bytes: int
    first: int
    last: int


@final
@dataclass(frozen=True)
class CompiledMemory:
    """What a compiled program takes, as its compiler says [bytes]."""

    argument_bytes: int
    output_bytes: int
    workspace_bytes: int


@final
@dataclass(frozen=True)
class MemoryPlan:
    """What a graph takes [bytes], beside its code.

    `workspace_bytes` hold everything between inputs and outputs; `unshared_bytes` would be needed
    without using memory again, and `live_bytes` are in use at once at the worst moment, which no
    placement can undercut. `tensors` are the parts of the workspace.
    """

    argument_bytes: int
    output_bytes: int
    constant_bytes: int
    workspace_bytes: int
    unshared_bytes: int
    live_bytes: int
    tensors: tuple[PlacedTensor, ...]

    def beside(self, compiled: CompiledMemory) -> str:
        """A table of this plan and of a compiled program; see `compiled_memory`."""
        rows = (
            ("arguments", self.argument_bytes, compiled.argument_bytes),
            ("outputs", self.output_bytes, compiled.output_bytes),
            ("workspace", self.workspace_bytes, compiled.workspace_bytes),
        )
        lines = [f"{'[bytes]':<12}{'operation by operation':>24}{'compiled':>12}"]
        return "\n".join(
            [*lines, *(f"{what:<12}{ours:24}{other:12}" for what, ours, other in rows)]
        )

    def __str__(self) -> str:
        """Return a table."""
        rows = (
            ("arguments", self.argument_bytes),
            ("outputs", self.output_bytes),
            ("constants", self.constant_bytes),
            ("workspace", self.workspace_bytes),
            ("  in use at once", self.live_bytes),
            ("  without reuse", self.unshared_bytes),
        )
        return "\n".join(f"{what:<18}{n_bytes:>14} B" for what, n_bytes in rows)


@final
@dataclass(eq=False)
class _Storage:
    """Memory for tensors that follow one another; `scratch` is of an operation itself."""

    n_bytes: int
    first: int
    last: int
    names: list[str] = field(default_factory=list)


def compiled_memory(compiled: jax.stages.Compiled) -> CompiledMemory:
    """What XLA says of a program: `compiled_memory(jax.jit(f).lower(x).compile())`.

    An argument that the program does not use is no argument of it. Raises ValueError where the
    device's compiler does not say.
    """
    stats = compiled.memory_analysis()
    if stats is None:
        raise ValueError("the compiler of this device does not say how much memory it takes")
    return CompiledMemory(
        int(stats.argument_size_in_bytes),
        int(stats.output_size_in_bytes),
        int(stats.temp_size_in_bytes),
    )


def plan_memory(graph: Graph) -> MemoryPlan:
    """Place what a pure graph of known sizes computes between its inputs and outputs.

    Every output has memory of its own, also one that stands twice or is an input. A conditional
    takes what its largest branch takes; a loop what its body takes and its carries once more.
    Raises ValueError if a size is not known.
    """
    storages = _storages(graph)
    placement = place_blocks([Block(s.n_bytes, s.first, s.last) for s in storages])
    tensors = [
        PlacedTensor(tuple(s.names), offset, s.n_bytes, s.first, s.last)
        for s, offset in zip(storages, placement.offsets, strict=True)
    ]
    return MemoryPlan(
        argument_bytes=sum(map(_n_bytes, graph.inputs)),
        output_bytes=sum(map(_n_bytes, graph.outputs)),
        constant_bytes=_constant_bytes(graph),
        workspace_bytes=placement.n_bytes,
        unshared_bytes=placement.unshared,
        live_bytes=placement.live,
        tensors=tuple(tensors),
    )


def _storages(graph: Graph) -> list[_Storage]:
    last_use: dict[Tensor, int] = {}
    for now, operation in enumerate(graph):
        last_use.update(dict.fromkeys(operation.inputs, now))
    made: list[_Storage] = []
    # What lies in memory that is not the workspace's is not here.
    storage_of: dict[Tensor, _Storage] = {}
    outputs = set(graph.outputs)
    for now, operation in enumerate(graph):
        if operation.kind in ("placeholder", "constant"):
            continue
        scratch = _scratch(operation)
        if scratch:
            made.append(_Storage(scratch, now, now, [f"{operation.name}, inside"]))
        for tensor in operation.outputs:
            if tensor in outputs or not _n_bytes(tensor):
                continue
            if operation.kind in _VIEWS and operation.inputs[0] not in storage_of:
                continue  # a view of an input, a constant or an output
            storage = _reused(operation, tensor, storage_of, now)
            if storage is None:
                storage = _Storage(_n_bytes(tensor), now, now)
                made.append(storage)
            storage.names.append(tensor.name)
            storage.last = max(storage.last, last_use.get(tensor, now))
            storage_of[tensor] = storage
    return made


def _reused(
    operation: Operation, result: Tensor, storage_of: dict[Tensor, _Storage], now: int
) -> _Storage | None:
    """The memory of an operand in which the result can lie."""
    if operation.kind in _VIEWS:
        return storage_of[operation.inputs[0]]
    if operation.kind in ELEMENTWISE_KINDS:
        for tensor in operation.inputs:
            storage = storage_of.get(tensor)
            if storage and storage.last == now and storage.n_bytes == _n_bytes(result):
                return storage
    return None


def _scratch(operation: Operation) -> int:
    """What an operation with subgraphs needs while it runs [bytes]."""
    if not operation.subgraphs:
        return 0
    # Of a function with derivative rules only the value runs.
    run = operation.subgraphs[:1] if operation.kind.startswith("custom") else operation.subgraphs
    inside = max(plan_memory(graph).workspace_bytes for graph in run)
    given = operation.attributes
    match operation.kind:
        case "while":
            carries = operation.outputs
        case "scan":
            carries = operation.outputs[: given["n_carries"]]
        case _:
            carries = ()
    return inside + sum(map(_n_bytes, carries))


def _constant_bytes(graph: Graph) -> int:
    own = sum(o.value.nbytes for o in graph if o.value is not None)
    return own + sum(_constant_bytes(s) for o in graph for s in o.subgraphs)


def _n_bytes(tensor: Tensor) -> int:
    return tensor.type.size * jnp.dtype(tensor.dtype).itemsize
