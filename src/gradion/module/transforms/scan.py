"""A loop over the first axis, with Modules in what is carried and in what is looped over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax

from gradion.foundation.errors import InputError
from gradion.module.scope import TransformError
from gradion.module.transforms.lifting import Call

__all__ = ["scan"]


def scan(
    function: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """`function(carry, x) -> (carry, y)` over the first axis of `xs`, as `jax.lax.scan`.

    A Module in `init` is one Module through all steps: what a step writes into it the next step
    reads, and at the end it is kept in the Module that was passed, which also stands in the
    carry returned; each step returns it in the carry where it got it. A Module in `xs` is a
    stack: each step has its slice, and what it writes there is kept in that slice.
    Raises TransformError where a step changes the structure of a Module or a Parameter's grad,
    or returns Modules elsewhere.
    """
    call = Call(function, (init, xs), {})
    if call.offset:
        raise TypeError("scan: got a Module as function; write a function of (carry, x)")
    stacked = call.leaf_numbers(call.args[1])
    both = set(stacked).intersection(call.leaf_numbers(call.args[0]))
    if both:
        name = call.plan.structure.leaf_names[min(both)]
        raise InputError(f"scan: {name!r} is both carried and looped over")
    written = _written(call, stacked)
    carried = [slot for slot in written if slot not in stacked]
    sliced = [slot for slot in written if slot in stacked]

    def step(
        state: tuple[list[Any], Any], x: tuple[list[Any], Any]
    ) -> tuple[tuple[list[Any], Any], tuple[list[Any], Any]]:
        leaves = list(call.leaves)
        for slot, value in (*zip(carried, state[0], strict=True), *zip(stacked, x[0], strict=True)):
            leaves[slot] = value
        (carry, y), values = call.run(leaves, (state[1], x[1]), {})
        _check(call, carry, y)
        for slot, value in zip(call.changes.slots, values, strict=True):
            leaves[slot] = value
        return ([leaves[slot] for slot in carried], carry), ([leaves[slot] for slot in sliced], y)

    (state, carry), (slices, ys) = jax.lax.scan(
        step,
        ([call.leaves[slot] for slot in carried], call.args[0]),
        ([call.leaves[slot] for slot in stacked], call.args[1]),
        length=length,
        reverse=reverse,
        unroll=unroll,
    )
    new = dict(zip(carried, state, strict=True)) | dict(zip(sliced, slices, strict=True))
    call.changes = replace(call.changes, slots=tuple(new))
    return call.finish((carry, ys), list(new.values()))


def _written(call: Call, stacked: list[int]) -> tuple[int, ...]:
    """Numbers of the leaves that a step writes: only these are carried."""
    if not call.leaves:
        return ()

    def one_step(leaves: list[Any], init: Any, xs: Any) -> None:
        leaves = [leaf[0] if i in stacked else leaf for i, leaf in enumerate(leaves)]
        call.run(leaves, (init, jax.tree.map(lambda x: x[0], xs)), {})

    jax.eval_shape(one_step, call.leaves, *call.args)
    return call.changes.slots


def _check(call: Call, carry: Any, y: Any) -> None:
    changes = call.changes
    if changes.new is not None or changes.grads or changes.cleared:
        raise TransformError(
            "scan: a step changed the structure of a Module or the grad of a Parameter, which "
            "cannot be kept; only Parameters, buffers and array attributes may be written"
        )
    if call.places(carry) != call.places(call.args[0]) or call.places(y):
        raise TransformError(
            "scan: each step must return the Modules of the carry in the carry, where it got them"
        )
