"""Functions of Modules over an axis of their arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp

from gradion.foundation.errors import InputError
from gradion.module.scope import TransformError
from gradion.module.transforms.lifting import Call

__all__ = ["vmap"]

_Axes = Any  # an int, None, or a tree of these that is a prefix of the arguments


def vmap(
    function: Callable[..., Any],
    in_axes: _Axes = 0,
    out_axes: _Axes = 0,
    *,
    axis_name: Hashable | None = None,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """`function` over an axis of its arguments, as `jax.vmap`.

    An argument that is a Module is mapped over that axis of each of its arrays (a stack of
    Modules, such as `jax.vmap(make_module)(keys)` gives), or with axis None used whole. What is
    written into a mapped Module is kept along its axis; what is written into one that is used
    whole must not differ along the axis, or TransformError is raised. A method of a Module, or a
    Module itself, has the Module as argument 0 with axis None, and `in_axes` does not count it.
    """

    @functools.wraps(function, updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, args, kwargs)
        axes: Any = in_axes
        if isinstance(axes, (tuple, list)):
            axes = (None,) * call.offset + tuple(axes)
        else:
            axes = (None,) * call.offset + (axes,) * (len(call.args) - call.offset)
        if len(axes) != len(call.args):
            raise InputError(
                f"in_axes has {len(axes) - call.offset} entries for "
                f"{len(call.args) - call.offset} arguments"
            )
        leaf_axes = _leaf_axes(call, axes)

        def pure(leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            out, values = call.run(leaves, args, kwargs)
            slots = _written(call)
            along = {i: v for i, v in zip(slots, values, strict=True) if leaf_axes[i] is not None}
            whole = {i: v for i, v in zip(slots, values, strict=True) if leaf_axes[i] is None}
            return out, along, whole

        try:
            out, along, whole = jax.vmap(
                pure,
                in_axes=(leaf_axes, axes, 0),
                out_axes=(out_axes, 0, None),
                axis_name=axis_name,
                axis_size=axis_size,
            )(call.leaves, call.args, call.kwargs)
        except ValueError as error:
            names = [call.plan.structure.leaf_names[i] for i in _written(call)]
            # JAX's words for it differ by version, but all speak of the axis None.
            if not names or "None" not in str(error) or "batched" not in str(error):
                raise
            raise TransformError(
                f"vmap: a Module with axis None was written values that differ along the mapped "
                f"axis (written: {', '.join(names)}); map the Module too, or reduce over the axis"
            ) from error
        written = {i: jnp.moveaxis(v, 0, leaf_axes[i]) for i, v in along.items()} | whole
        return call.finish(out, [written[i] for i in call.changes.slots])

    return mapped


def _written(call: Call) -> tuple[int, ...]:
    changes = call.changes
    if changes.new is not None or changes.grads or changes.cleared:
        raise TransformError(
            "vmap: the function changed the structure of a Module or the grad of a Parameter, "
            "which cannot be kept; only Parameters, buffers and array attributes may be written"
        )
    return changes.slots


def _leaf_axes(call: Call, axes: tuple[Any, ...]) -> list[int | None]:
    """The mapped axis of each leaf of the call's Modules."""
    of_leaf: dict[int, int | None] = {}

    def note(axis: int | None, argument: Any) -> None:
        for leaf in call.leaf_numbers(argument):
            if of_leaf.setdefault(leaf, axis) != axis:
                name = call.plan.structure.leaf_names[leaf]
                raise InputError(f"in_axes: {name!r} belongs to Modules that have two axes")

    for axis, argument in zip(axes, call.args, strict=True):
        jax.tree.map(note, axis, argument, is_leaf=lambda x: x is None)
    note(0, call.kwargs)
    return [of_leaf[leaf] for leaf in range(len(call.leaves))]
