"""The current graph, name scopes and control dependencies."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.graph.context import BuildContext, build_contexts
from gradion.graph.graph import Graph, Operation, Tensor

__all__ = ["context_for", "control_dependencies", "current_graph", "name_scope", "user_line"]

_OWN_FOLDER: Final = str(Path(__file__).parents[1])


def current_graph() -> Graph:
    """The graph that takes new operations. Raises RuntimeError outside of `with graph:`."""
    return context_for(None).graph


def context_for(graph: Graph | None) -> BuildContext:
    """The current context if it is of this graph, or where there is no graph; else the graph's.

    Raises RuntimeError where there is neither.
    """
    stack = build_contexts.get()
    if stack and (graph is None or stack[-1].graph is graph):
        return stack[-1]
    if graph is None:
        raise RuntimeError("no graph is being written; write `with Graph() as graph:` around it")
    return BuildContext(graph)


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Put the operations that are added inside under a name; gives the whole path.

    Scopes nest. A scope that was used before is used again. Raises ValueError for an empty name
    and for one with a colon or a caret, which have a meaning in names of tensors.
    """
    if not name or any(c in name for c in ":^"):
        raise ValueError(f"name_scope: got {name!r}, expected a name without ':' and '^'")
    context = context_for(None)
    path = f"{context.scope}/{name}" if context.scope else name
    with _inside(replace(context, scope=path)):
        yield path


@contextmanager
def control_dependencies(operations: Sequence[Operation | Tensor]) -> Iterator[None]:
    """Let the operations that are added inside run only after these, which they then need.

    Nested ones add up.
    """
    context = context_for(None)
    before = list(context.control_inputs)
    for item in operations:
        operation = item.operation if isinstance(item, Tensor) else item
        if operation not in before:
            before.append(operation)
    with _inside(replace(context, control_inputs=tuple(before))):
        yield


@contextmanager
def _inside(context: BuildContext) -> Iterator[None]:
    token = build_contexts.set((*build_contexts.get(), context))
    try:
        yield
    finally:
        build_contexts.reset(token)


def user_line() -> SourceLine | None:
    """The innermost line of code outside of the folder of graphs."""
    frame = sys._getframe(1)
    while True:
        file = frame.f_code.co_filename
        if not file.startswith(_OWN_FOLDER):
            return SourceLine(file, frame.f_lineno)
        if frame.f_back is None:
            return None
        frame = frame.f_back
