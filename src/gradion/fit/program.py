"""The compiled programs of a fit: predictions with their Jacobian, and the gradient of the cost.

There is no program of predictions alone: the model would be compiled once more, which takes
longer than the Jacobians that it would save. Each program is one function of (static layout,
Module, z, data), jitted once at module level: other values of data, of parameters and of settings
of the optimiser never compile again. Data sets of one observable and one shape run through one
copy of the model by `lax.map`: compile time is that of the model, whatever the number of data
sets.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gradion.fit.coordinate import Entry
from gradion.fit.dataset import DataSet
from gradion.fit.observable import AbstractObservable
from gradion.fit.prior_residual import prior_residual
from gradion.module import Module

__all__ = [
    "Evaluation",
    "Group",
    "GroupData",
    "Layout",
    "evaluate",
    "group_datasets",
    "module_at",
    "stack_group",
    "value_and_gradient",
]


@final
@dataclass(frozen=True)
class Group:
    """Data sets that share an observable and their shapes. `observable` is None if it is data."""

    observable: AbstractObservable | None
    sets: int


@final
@dataclass(frozen=True)
class Layout:
    """Everything static about a fit's programs."""

    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]


@final
class GroupData(NamedTuple):
    """Arrays of a group, stacked over its data sets. `observable` is a Module or None."""

    observable: Any
    inputs: Any
    measured: Float[Array, "sets points"]
    weights: Float[Array, "sets points"]
    sigma: Float[Array, " sets"]


@final
class Evaluation(NamedTuple):
    """What the model says at one z, and how it changes with z.

    One entry a group in `predictions` and `rates`. `values` are the physical parameters,
    `slopes` their derivatives with respect to z.
    """

    predictions: tuple[Float[Array, "sets points"], ...]
    rates: tuple[Float[Array, "sets points parameters"], ...]
    prior_residuals: Float[Array, " priors"]
    prior_rates: Float[Array, "priors parameters"]
    values: Float[Array, " parameters"]
    slopes: Float[Array, " parameters"]


def group_datasets(datasets: Sequence[DataSet]) -> tuple[tuple[int, ...], ...]:
    """Indices of the data sets of each group, in the order of first appearance."""
    groups: dict[Any, list[int]] = {}
    for index, dataset in enumerate(datasets):
        leaves, tree = jax.tree_util.tree_flatten(dataset.inputs)
        observable = dataset.observable
        # A Module holds arrays: it can only be known to be the same one by identity.
        same = id(observable) if isinstance(observable, Module) else observable
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        key = (type(observable), same, tree, shapes, dataset.measured.shape)
        groups.setdefault(key, []).append(index)
    return tuple(tuple(indices) for indices in groups.values())


def stack_group(datasets: Sequence[DataSet]) -> tuple[Group, GroupData]:
    """The static part and the arrays of one group."""
    observable = datasets[0].observable
    is_data = isinstance(observable, Module)
    data = GroupData(
        observable=observable if is_data else None,
        inputs=jax.tree_util.tree_map(
            lambda *leaves: jnp.asarray(np.stack(leaves)), *[dataset.inputs for dataset in datasets]
        ),
        measured=jnp.asarray(np.stack([dataset.measured for dataset in datasets])),
        weights=jnp.asarray(np.stack([np.asarray(d.weights) for d in datasets])),
        sigma=jnp.array([dataset.sigma for dataset in datasets]),
    )
    return Group(None if is_data else observable, len(datasets)), data


def module_at(layout: Layout, module: Module, z: Float[Array, " parameters"]) -> Module:
    """The Module with the chosen Parameters at coordinates `z`; traceable."""
    return module.with_parameters(
        {
            entry.name: value.reshape(entry.shape).astype(entry.dtype)
            for entry, value in _split_values(layout.entries, z)
        }
    )


@functools.partial(jax.jit, static_argnums=0)
def evaluate(
    layout: Layout, module: Module, z: Float[Array, " parameters"], data: tuple[GroupData, ...]
) -> Evaluation:
    """Predictions of every data set and prior, with their forward-mode Jacobian over z."""

    def outputs(z: Array) -> tuple[Any, Any]:
        found = (_predictions(layout, module, z, data), _prior_residuals(layout.entries, z))
        return found, found

    def flat_values(z: Array) -> Array:
        return jnp.concatenate([value for _, value in _split_values(layout.entries, z)])

    (rates, prior_rates), (predictions, priors) = jax.jacfwd(outputs, has_aux=True)(z)
    # Each value depends on its own coordinate only: one tangent of ones gives all slopes.
    values, slopes = jax.jvp(flat_values, (z,), (jnp.ones_like(z),))
    return Evaluation(predictions, rates, priors, prior_rates, values, slopes)


@functools.partial(jax.jit, static_argnums=0)
def value_and_gradient(
    layout: Layout, module: Module, z: Float[Array, " parameters"], data: tuple[GroupData, ...]
) -> tuple[Float[Array, ""], Float[Array, " parameters"]]:
    """Half the sum of squared residuals and its reverse-mode gradient over z."""

    def cost(z: Array) -> Array:
        return 0.5 * jnp.sum(_residuals(layout, module, z, data) ** 2)

    return jax.value_and_grad(cost)(z)


def _split_values(entries: tuple[Entry, ...], z: Array) -> list[tuple[Entry, Array]]:
    """Each entry with its flat values in the Parameter's unit."""
    split, first = [], 0
    for entry in entries:
        split.append((entry, entry.transform.value(z[first : first + entry.size])))
        first += entry.size
    return split


def _predictions(
    layout: Layout, module: Module, z: Array, data: tuple[GroupData, ...]
) -> tuple[Array, ...]:
    moved = module_at(layout, module, z)
    predictions = []
    for group, arrays in zip(layout.groups, data, strict=True):
        observable = arrays.observable if group.observable is None else group.observable

        def predict(inputs: Any, observable: AbstractObservable = observable) -> Array:
            return observable.predict(moved, inputs)

        if group.sets == 1:
            # A loop of one turn would only hide the model from XLA.
            only = jax.tree.map(lambda leaf: leaf[0], arrays.inputs)
            predictions.append(predict(only)[None])
        else:
            predictions.append(lax.map(predict, arrays.inputs))
    return tuple(predictions)


def _prior_residuals(entries: tuple[Entry, ...], z: Array) -> Array:
    rows = [
        prior_residual(entry.prior, value)
        for entry, value in _split_values(entries, z)
        if entry.prior is not None
    ]
    return jnp.concatenate(rows) if rows else jnp.zeros(0, z.dtype)


def _residuals(layout: Layout, module: Module, z: Array, data: tuple[GroupData, ...]) -> Array:
    rows = []
    predictions = _predictions(layout, module, z, data)
    for predicted, arrays in zip(predictions, data, strict=True):
        scaled = jnp.sqrt(arrays.weights) * (predicted - arrays.measured) / arrays.sigma[:, None]
        # Padding: what is predicted there may be anything, nan included.
        rows.append(jnp.where(arrays.weights > 0.0, scaled, 0.0).reshape(-1))
    return jnp.concatenate([*rows, _prior_residuals(layout.entries, z)])
