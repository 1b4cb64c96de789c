"""A graph run one operation after the other, each timed by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
from jax.sharding import Sharding

from gradion.graph.fingerprint import fingerprint
from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.session.run_trace import TraceEvent
from gradion.graph.xla import Executable, ExecutableCache, compile_xla

__all__ = ["OperationRunner"]


@final
class OperationRunner:
    """The operations of a pure graph, each compiled by itself; equal ones once."""

    def __init__(
        self, graph: Graph, device: jax.Device | Sharding | None, cache: ExecutableCache | None
    ) -> None:
        self._graph = graph
        made: dict[str, Executable] = {}
        self._executables: dict[Operation, Executable] = {}
        for operation in graph:
            if operation.kind in ("placeholder", "constant"):
                continue
            alone = _alone(operation)
            key = fingerprint(alone)
            if key not in made:
                made[key] = compile_xla(alone, device=device, cache=cache)
            self._executables[operation] = made[key]

    def run(self, inputs: Sequence[Any]) -> tuple[list[jax.Array], list[TraceEvent]]:
        """The outputs, and an event for each operation with its kind, types, scope and line."""
        values: dict[Tensor, Any] = dict(zip(self._graph.inputs, inputs, strict=True))
        events: list[TraceEvent] = []
        for operation in self._graph:
            if operation.kind == "placeholder":
                continue
            if operation.kind == "constant":
                values[operation.outputs[0]] = operation.value
                continue
            given = [values[tensor] for tensor in operation.inputs]
            call = self._executables[operation].call
            start = time.perf_counter()
            results = jax.block_until_ready(call(*given))
            seconds = time.perf_counter() - start
            values.update(zip(operation.outputs, results, strict=True))
            events.append(
                TraceEvent(operation.name, "operation", start, seconds, _details(operation))
            )
        outputs = self._graph.outputs
        # A variable has a buffer of its own, also where two have the same new value.
        found = [
            jnp.array(values[tensor]) if tensor in outputs[:i] else values[tensor]
            for i, tensor in enumerate(outputs)
        ]
        return found, events


def _alone(operation: Operation) -> Graph:
    graph = Graph()
    inputs = [
        graph.placeholder(tensor.type, name=f"input_{i}")
        for i, tensor in enumerate(operation.inputs)
    ]
    graph.outputs = graph.copy(operation, inputs).outputs
    return graph


def _details(operation: Operation) -> dict[str, str]:
    found = {
        "kind": operation.kind,
        "inputs": ", ".join(f"{tensor.name} {tensor.type}" for tensor in operation.inputs),
        "outputs": ", ".join(str(tensor.type) for tensor in operation.outputs),
    }
    if operation.scope:
        found["scope"] = operation.scope
    if operation.source is not None:
        found["line"] = str(operation.source)
    return found
