"""Where a Module or a Parameter may be written: only in the transformation that made it.

A write from inside another one would be lost, or would leave a tracer behind, without a word.
"""

from __future__ import annotations

from typing import Any, Final, final

from gradion.foundation.compat.trace_scope import NO_TRACE, current_scope

__all__ = ["READ_ONLY", "TransformError", "rebuilt_scope", "require_writable"]


class TransformError(RuntimeError):
    """A Module was written where the new value could not be kept."""


@final
class _ReadOnly:
    """Scope of what JAX itself rebuilt inside a transformation: equal to no scope."""

    def __repr__(self) -> str:
        return "READ_ONLY"


READ_ONLY: Final = _ReadOnly()


def rebuilt_scope() -> Any:
    """Scope of a copy that JAX rebuilds from its leaves: read-only inside a transformation."""
    scope = current_scope()
    return scope if scope == NO_TRACE else READ_ONLY


def require_writable(scope: Any, what: str) -> None:
    """Raise TransformError if what has this `scope` may not be written here; `what` names it."""
    if scope == current_scope():
        return
    if scope is READ_ONLY:
        raise TransformError(
            f"{what} was written inside a transformation of JAX, on a copy that JAX throws away; "
            "use gradion's transformation of the same name (gradion.jit, gradion.grad, ...), "
            "which carries the new value back, or write to copy.deepcopy of the Module"
        )
    if scope == NO_TRACE:
        raise TransformError(
            f"{what} was written inside a transformation, but the Module was made outside of it "
            "and only captured; pass the Module as an argument to gradion.jit (or grad, vmap, "
            "scan, ...), which carries the new value back"
        )
    raise TransformError(
        f"{what} belongs to a transformation that is not the one running here, where a value "
        "written would be lost or leak; pass the Module as an argument to gradion's transformation "
        "(for a loop gradion.scan), or return it from the one that made it"
    )
