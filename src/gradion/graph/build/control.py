"""What a run does beside computing: branches, loops, groups, checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gradion.graph.build.apply import apply
from gradion.graph.build.context import context_for, user_line
from gradion.graph.context import joined
from gradion.graph.graph import Operation, Tensor

__all__ = ["check", "cond", "group", "while_loop"]


def cond(
    predicate: Any,
    true_function: Callable[..., Any],
    false_function: Callable[..., Any],
    *operands: Any,
    name: str = "",
) -> Any:
    """The result of one of two functions of arrays, of which only that one runs.

    Both are pure functions of JAX of the operands and give trees of the same types.
    """
    return apply(
        lambda p, *given: lax.cond(p, true_function, false_function, *given),
        predicate,
        *operands,
        name=name,
    )


def while_loop(
    condition: Callable[[Any], Any], body: Callable[[Any], Any], start: Any, *, name: str = ""
) -> Any:
    """`start`, changed by `body` while `condition` of it holds; both are pure functions of JAX."""
    return apply(lambda value: lax.while_loop(condition, body, _arrays(value)), start, name=name)


def group(operations: Sequence[Operation | Tensor] = (), *, name: str = "") -> Operation:
    """An operation that does nothing, and needs all of these; without any it does nothing at all.

    It also needs those of the enclosing `control_dependencies`.
    """
    items = [item.operation if isinstance(item, Tensor) else item for item in operations]
    context = context_for(items[0].graph if items else None)
    before = dict.fromkeys((*items, *context.control_inputs))
    path = joined(context.scope, name)
    return context.graph.add(
        "group",
        (),
        (),
        name=path if name else None,
        scope=context.scope,
        source=user_line(),
        control_inputs=tuple(before),
    )


def check(condition: Any, message: str, *, name: str = "") -> Operation:
    """An operation that ends a run with an error of this message if a condition does not hold.

    The condition is a tensor of bool; of an array all elements must hold. A run that is ended
    changes no variable.
    """
    holds = apply(lambda x: jnp.all(jnp.asarray(x, bool)), condition)
    context = context_for(holds.operation.graph)
    path = joined(context.scope, name)
    return context.graph.add(
        "check",
        (holds,),
        (),
        name=path if name else None,
        attributes={"message": message},
        scope=context.scope,
        source=user_line(),
        control_inputs=context.control_inputs,
    )


def _arrays(value: Any) -> Any:
    # A carried number must keep its type from one round to the next.
    return jax.tree.map(jnp.asarray, value)
