"""A graph compiled by XLA, or taken from the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Sharding

from gradion.foundation.compat.executable import (
    Placement,
    Program,
    compile_program,
    load_program,
)
from gradion.graph.evaluate import evaluate
from gradion.graph.graph import STATEFUL, Graph
from gradion.graph.xla.cache_key import cache_key
from gradion.graph.xla.executable import Executable
from gradion.graph.xla.executable_cache import CacheEntry, ExecutableCache

__all__ = ["compile_xla"]


def compile_xla(
    graph: Graph,
    *,
    donated: Sequence[int] = (),
    device: jax.Device | Sharding | None = None,
    cache: ExecutableCache | None = None,
) -> Executable:
    """Compile a pure graph of known sizes for a device; JAX's default one if none is given.

    `donated` are positions of inputs whose buffers outputs may take over; `device` may be a
    sharding too, which then is that of every input and output. With a cache a program that was
    compiled before is loaded: nothing is traced and nothing compiled. A graph that calls native
    code is compiled each time: what the native code is cannot be seen in the graph.

    Raises ValueError for a graph with state (`gradion.graph.purify` makes it pure) or of unknown
    sizes (`bind_sizes` gives them), and for a position that there is not.
    """
    _check(graph, donated)
    placement = Placement.of(device)
    if cache is None or _calls_native_code(graph):
        return _executable(graph, _compiled(graph, donated, placement, None))
    key = cache_key(graph, donated=donated, placement=placement)
    found = _loaded(graph, cache, key, placement)
    if found is not None:
        return found
    program = _compiled(graph, donated, placement, key)
    # Foreign code may not be there, or not be ready, in the process that loads the program.
    content = None if program.foreign else program.serialize()
    if content is not None:
        cache.keep(key, CacheEntry(content, {"seconds": program.seconds}))
    return _executable(graph, program)


def _executable(graph: Graph, program: Program) -> Executable:
    return Executable(
        program,
        graph.inputs,
        graph.outputs,
        compile_seconds=program.seconds,
        from_cache=False,
    )


def _compiled(
    graph: Graph, donated: Sequence[int], placement: Placement, key: str | None
) -> Program:
    def function(*arrays: Any) -> list[jax.Array]:
        return evaluate(graph, arrays)

    shapes = [jax.ShapeDtypeStruct(t.type.numbers, jnp.dtype(t.dtype)) for t in graph.inputs]
    return compile_program(function, shapes, donated=donated, placement=placement, key=key)


def _loaded(
    graph: Graph, cache: ExecutableCache, key: str, placement: Placement
) -> Executable | None:
    entry = cache.find(key)
    if entry is None:
        return None
    try:
        program = load_program(entry.content, placement=placement)
    except RuntimeError:
        # Whole, and yet not what the runtime takes: as good as none.
        cache.discard(key)
        return None
    return Executable(
        program,
        graph.inputs,
        graph.outputs,
        compile_seconds=float(entry.facts["seconds"]),
        from_cache=True,
    )


def _check(graph: Graph, donated: Sequence[int]) -> None:
    for operation in graph:
        if operation.kind in STATEFUL:
            raise ValueError(
                f"{operation.name}: a {operation.kind} has an effect; compile the graph that "
                "gradion.graph.purify makes"
            )
    for tensor in (*graph.inputs, *graph.outputs):
        _ = tensor.type.numbers  # raises for a size that is not known
    for place in donated:
        if not 0 <= place < len(graph.inputs):
            raise ValueError(f"donated: got {place}, and there are {len(graph.inputs)} inputs")


def _calls_native_code(graph: Graph) -> bool:
    return any(
        operation.kind == "native_call" or any(map(_calls_native_code, operation.subgraphs))
        for operation in graph
    )
