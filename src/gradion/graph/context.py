"""Where a graph is being written: which one, in which scope, after which operations."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from gradion.graph.graph import Graph, Operation

__all__ = ["BuildContext", "build_contexts", "joined", "resumed"]


@final
@dataclass(frozen=True)
class BuildContext:
    """The graph that takes new operations, their scope, and what they run after."""

    graph: Graph
    scope: str = ""
    control_inputs: tuple[Operation, ...] = ()


# The innermost one last; each thread and each task has its own.
build_contexts: Final[ContextVar[tuple[BuildContext, ...]]] = ContextVar(
    "gradion_build_contexts", default=()
)


def joined(scope: str, name: str) -> str:
    """The path of a name in a scope; either may be empty."""
    return "/".join(part for part in (scope, name) if part)


def resumed(graph: Graph) -> BuildContext:
    """A context of a graph, with the scope and control inputs that are open for it, if any."""
    for context in reversed(build_contexts.get()):
        if context.graph is graph:
            return replace(context)
    return BuildContext(graph)
