"""The solution between the steps."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gradion.numerics.integrate.settings import Settings
from gradion.numerics.integrate.stage import StageProblem, consistent_start
from gradion.numerics.integrate.system import System
from gradion.numerics.integrate.trajectory import Nodes, Record

__all__ = ["at_times"]


def at_times(
    system: System,
    settings: Settings,
    theta: Any,
    nodes: Nodes,
    record: Record,
    times: Float[Array, " times"],
) -> Float[Array, "times n"]:
    """States at `times` [times, n]; nan outside the integrated interval.

    Differential unknowns are cubic Hermite polynomials of a step's end values and slopes (locally
    of order four); algebraic ones are solved for, so that every state satisfies its equations.
    """
    count = record.steps.taken
    ends = lax.stop_gradient(nodes.t)
    # A time that is a node up to round-off belongs to the interval.
    slack = 1e-12 * jnp.maximum(jnp.abs(ends[count]), jnp.abs(ends[0]))
    known = (times >= ends[0] - slack) & (times <= ends[count] + slack)
    step = jnp.searchsorted(ends, lax.stop_gradient(times), side="right") - 1
    step = jnp.clip(step, 0, jnp.maximum(count - 1, 0))
    # Outside the interval the polynomial is taken at a node: nan must not enter derivatives.
    inside = jnp.where(known, times, nodes.t[step])
    t_left, t_right = nodes.t[step], jnp.where(count > 0, nodes.t[step + 1], nodes.t[step] + 1.0)
    h = t_right - t_left
    s = ((inside - t_left) / h)[:, None]
    h = h[:, None]
    u = (
        (1 + 2 * s) * (1 - s) ** 2 * nodes.u[step]
        + s**2 * (3 - 2 * s) * nodes.u[step + 1]
        + s * (1 - s) ** 2 * h * nodes.slope_left[step]
        - s**2 * (1 - s) * h * nodes.slope_right[step]
    )
    if system.has_algebraic:
        u = _with_algebraic(system, settings, theta, record, inside, step, u)
    return jnp.where(known[:, None], u, jnp.nan)


def _with_algebraic(
    system: System,
    settings: Settings,
    theta: Any,
    record: Record,
    times: Array,
    step: Array,
    u: Array,
) -> Array:
    mask = system.differential_mask(u.shape[1])

    def consistent(t: Array, u: Array, phase: Array) -> Array:
        def residual(w: Array) -> Array:
            stage = StageProblem(u, jnp.array(0.0), t, theta, phase)
            return stage.residual(system, w)

        def root(_: Any, guess: Array) -> Array:
            weights = settings.weights(u, u)
            stage = StageProblem(*lax.stop_gradient((u, jnp.array(0.0), t, theta, phase)))
            return consistent_start(system, stage, guess, lax.stop_gradient(weights))[0]

        def tangent_solve(linear: Any, rhs: Array) -> Array:
            structure = system.structure
            return structure.solve(structure.factorise(structure.matrix(linear, rhs)), rhs)

        guess = lax.stop_gradient(jnp.where(mask, 0.0, u))
        w = lax.custom_root(residual, guess, root, tangent_solve)
        return jnp.where(mask, u, w)

    return jax.vmap(consistent)(times, u, record.phase[step])
