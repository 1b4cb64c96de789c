"""Priors as rows of a least-squares problem."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from gradion.foundation.errors import InputError
from gradion.module import AbstractPrior, LogNormalPrior, NormalPrior

__all__ = ["prior_residual"]


@functools.singledispatch
def prior_residual(prior: AbstractPrior, value: ArrayLike) -> jax.Array:
    """The residual r of a prior at `value`, elementwise: its cost is `r^2 / 2`.

    A normal prior gives `(value - mean) / std`, a log-normal one `ln(value / median) / sigma`:
    the density is that of the logarithm, so that the prior alone leads to the median. For
    another class of prior register its residual: `@prior_residual.register`. Raises InputError
    for a prior without one, which is no sum of squares.
    """
    del value
    raise InputError(
        f"a prior of class {type(prior).__name__} is no sum of squares",
        mend="use NormalPrior or LogNormalPrior, or register its residual with prior_residual",
    )


@prior_residual.register
def _normal(prior: NormalPrior, value: ArrayLike) -> jax.Array:
    return (jnp.asarray(value) - prior.mean) / prior.std


@prior_residual.register
def _log_normal(prior: LogNormalPrior, value: ArrayLike) -> jax.Array:
    return jnp.log(jnp.asarray(value) / prior.median) / prior.sigma
