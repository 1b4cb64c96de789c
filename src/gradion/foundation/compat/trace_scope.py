"""Which transformation of JAX is running: what was made in one must not be written in another."""

from __future__ import annotations

from typing import Any, Final

from jax.extend.core import get_opaque_trace_state

__all__ = ["NO_TRACE", "current_scope"]

# Outside of every transformation. Compared by ==: each call makes a new object.
NO_TRACE: Final[Any] = get_opaque_trace_state()


def current_scope() -> Any:
    """A token of the innermost running transformation, equal only within that transformation.

    It holds the transformation by a weak reference, so keeping it keeps no tracer alive.
    """
    return get_opaque_trace_state()
