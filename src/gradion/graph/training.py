"""Training graphs: an optimiser of optax captured as operations on variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gradion.graph.build.apply import apply
from gradion.graph.build.context import name_scope
from gradion.graph.build.control import group
from gradion.graph.build.variable import Variable, graph_variables, variable
from gradion.graph.gradients import gradients
from gradion.graph.graph import Operation, Tensor
from gradion.graph.operand import AbstractOperand
from gradion.graph.state import initializers

__all__ = ["minimize"]


def minimize(
    loss: AbstractOperand,
    optimiser: optax.GradientTransformation,
    *,
    variables: Sequence[Variable] | None = None,
    name: str = "train",
) -> Operation:
    """Add one step of an optimiser to the loss's graph; the operation that does it.

    `variables` are those to change, by default all trainable ones that the loss depends on. What
    the optimiser remembers is in variables `<name>/<field>` that are not trainable; their
    initialisers start from the initial values of the variables. The loss that is fetched in the
    same run is that of before the step. An optimiser that wants the loss or more than gradients
    (line searches) is not taken.

    Raises ValueError if the loss is no number or depends on none of the variables, and
    UnsupportedOperationError for an optimiser that uses operations outside of the documented set.
    """
    target = loss.as_tensor()
    if target.shape:
        raise ValueError(f"{target!r} is no number: minimise a sum or a mean of it")
    graph = target.graph
    given = list(graph_variables(graph).values()) if variables is None else list(variables)
    candidates = [v for v in given if v.trainable or variables is not None]
    with graph, name_scope(name):
        slopes = gradients([target], candidates)
        chosen = {
            v.name: (v, slope)
            for v, slope in zip(candidates, slopes, strict=True)
            if slope is not None
        }
        if not chosen or (variables is not None and len(chosen) < len(candidates)):
            idle = [v.name for v in candidates if v.name not in chosen]
            raise ValueError(f"{target.name} depends on none of {idle or 'the variables'}")
        handles = {key: v for key, (v, _) in chosen.items()}
        state, tree = _state_variables(optimiser, handles)
        return _step(optimiser, handles, {key: s for key, (_, s) in chosen.items()}, state, tree)


def _state_variables(
    optimiser: optax.GradientTransformation, handles: dict[str, Variable]
) -> tuple[list[Variable], Any]:
    """What the optimiser remembers, as variables, and the tree of it."""
    shapes = {k: jax.ShapeDtypeStruct(v.shape, jnp.dtype(v.dtype)) for k, v in handles.items()}
    fields, tree = jax.tree_util.tree_flatten_with_path(jax.eval_shape(optimiser.init, shapes))
    if not fields:
        return [], tree
    first = initializers(next(iter(handles.values())).graph)
    start = {key: first[key].inputs[0] for key in handles}
    values = apply(lambda p: jax.tree.leaves(optimiser.init(p)), start, name="initial")
    names = [_field_name(path) for path, _ in fields]
    return [
        variable(value, name=field, trainable=False)
        for field, value in zip(names, values, strict=True)
    ], tree


def _step(
    optimiser: optax.GradientTransformation,
    handles: dict[str, Variable],
    slopes: dict[str, Tensor],
    state: list[Variable],
    tree: Any,
) -> Operation:
    def stepped(parameters: Any, gradient: Any, remembered: Any) -> Any:
        before = jax.tree.unflatten(tree, remembered)
        change, after = optimiser.update(gradient, before, parameters)
        moved = optax.apply_updates(parameters, change)
        return moved, jax.tree.leaves(after)

    moved, remembered = apply(stepped, handles, slopes, state, name="update")
    assigned = [handles[key].assign(value) for key, value in moved.items()]
    assigned += [v.assign(value) for v, value in zip(state, remembered, strict=True)]
    return group(assigned, name="step")


def _field_name(path: Any) -> str:
    """`0.mu/w` for the momentum of `w`: the path in the state, dots between its parts."""
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    return name.replace(":", "_").replace("^", "_") or "state"
