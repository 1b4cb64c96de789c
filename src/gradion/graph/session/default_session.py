"""The session of this place in the code."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from gradion.graph.context import BuildContext, build_contexts, resumed

if TYPE_CHECKING:
    from gradion.graph.session.session import AbstractSession

__all__ = ["current_session", "install", "uninstall"]

# The innermost one last, with what was put in place for its graph; each thread and task its own.
_installed: Final[ContextVar[tuple[tuple[AbstractSession, BuildContext], ...]]] = ContextVar(
    "gradion_sessions", default=()
)


def current_session() -> AbstractSession:
    """The session of the innermost `with session:`, or the last InteractiveSession.

    Raises RuntimeError if there is none.
    """
    stack = _installed.get()
    if not stack:
        raise RuntimeError("there is no session; write `with Session() as session:` around it")
    return stack[-1][0]


def install(session: AbstractSession) -> None:
    """Make a session and its graph the current ones."""
    context = resumed(session.graph)
    _installed.set((*_installed.get(), (session, context)))
    build_contexts.set((*build_contexts.get(), context))


def uninstall(session: AbstractSession) -> None:
    """Take back the last `install` of this session, also where others have followed it."""
    for entry in reversed(_installed.get()):
        if entry[0] is session:
            _installed.set(tuple(e for e in _installed.get() if e is not entry))
            build_contexts.set(tuple(c for c in build_contexts.get() if c is not entry[1]))
            return
