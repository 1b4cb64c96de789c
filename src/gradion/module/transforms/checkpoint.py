"""Rematerialisation: values inside a function are computed again for its derivative."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradion.module.transforms.lifting import Call

__all__ = ["checkpoint"]


def checkpoint(
    function: Callable[..., Any],
    *,
    prevent_cse: bool = True,
    policy: Callable[..., bool] | None = None,
) -> Callable[..., Any]:
    """`function`, which in reverse mode keeps its arguments instead of what it computed.

    Saves memory for one more evaluation. `function` may be a Module or a method of one; what it
    writes into Modules is kept in those that were passed, once. `prevent_cse` and `policy` are
    as in `jax.checkpoint`.
    """

    @functools.wraps(function, updated=())
    def rematerialised(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, args, kwargs)
        pure = jax.checkpoint(call.run, prevent_cse=prevent_cse, policy=policy)
        out, values = pure(call.leaves, call.args, call.kwargs)
        # JAX hands constants back as arrays of its own that are no jax.Array.
        return call.finish(out, [v if isinstance(v, jax.Array) else jnp.asarray(v) for v in values])

    return rematerialised
