"""Whether a program may raise while it runs, other than for want of memory."""

from __future__ import annotations

from typing import Any

from jax.extend.core import subjaxprs

__all__ = ["may_fail"]


def may_fail(jaxpr: Any) -> bool:
    """Whether a jaxpr calls Python or foreign code, or has another effect on the outside.

    Such code may raise when the arrays that were donated to the program are gone already.
    """
    if jaxpr.effects:
        return True
    # A pure callback counts as free of effects, and raises all the same.
    if any(
        "callback" in equation.primitive.name or "ffi" in equation.primitive.name
        for equation in jaxpr.eqns
    ):
        return True
    return any(map(may_fail, subjaxprs(getattr(jaxpr, "jaxpr", jaxpr))))
