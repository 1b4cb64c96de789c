"""One step of the method: all stages, the error estimate, and the location of events."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gradion.numerics.integrate.settings import Settings
from gradion.numerics.integrate.stage import StageProblem, newton, scaled_norm, stage_factors
from gradion.numerics.integrate.system import Crossing, System

__all__ = ["Point", "StepResult", "crossings", "locate_event", "take_step"]


class Point(NamedTuple):
    """Where a step begins: time, unknowns [n], slopes [n] (0 if algebraic), phase."""

    t: Float[Array, ""]
    u: Float[Array, " n"]
    k: Float[Array, " n"]
    phase: Int[Array, ""]


class StepResult(NamedTuple):
    """What a step of length h gives."""

    h: Float[Array, ""]
    stages: Float[Array, "stages n"]  # unknowns w of the implicit stages
    u: Float[Array, " n"]
    k: Float[Array, " n"]
    error: Float[Array, ""]  # in units of the tolerance
    solved: Bool[Array, ""]
    iterations: Int[Array, ""]


def take_step(
    system: System, settings: Settings, theta: Any, start: Point, h: Float[Array, ""]
) -> StepResult:
    """Step from `start` by h with one Jacobian, taken near the middle of the step."""
    tableau = settings.tableau
    n, s = start.u.shape[0], tableau.stages
    a, c = jnp.array(tableau.matrix), jnp.array(tableau.nodes)
    mask = system.differential_mask(n)
    h_gamma = h * tableau.gamma
    weights = settings.weights(start.u, start.u)
    first_guess = jnp.where(mask, start.k, start.u)
    predictor = StageProblem(start.u, h_gamma, start.t + h_gamma, theta, start.phase)
    factors = stage_factors(system, predictor, first_guess)

    def stage(
        i: Int[Array, ""], carry: tuple[Array, Array, Array, Array]
    ) -> tuple[Array, Array, Array, Array]:
        slopes, unknowns, solved, iterations = carry
        base = start.u + h * (a[i] @ slopes)
        problem = StageProblem(base, h_gamma, start.t + c[i] * h, theta, start.phase)
        w, converged, used = newton(
            system, problem, factors, unknowns[i - 1], weights, settings.newton_tolerance
        )
        slopes = slopes.at[i].set(jnp.where(mask, w, 0.0))
        return slopes, unknowns.at[i].set(w), solved & converged, iterations + used

    slopes = jnp.zeros((s, n)).at[0].set(start.k)
    unknowns = jnp.zeros((s, n)).at[0].set(first_guess)
    slopes, unknowns, solved, iterations = lax.fori_loop(
        1, s, stage, (slopes, unknowns, jnp.array(True), jnp.array(0, jnp.int32))
    )
    u = jnp.where(mask, start.u + h * (a[-1] @ slopes), unknowns[-1])
    raw = h * (jnp.array(tableau.error_weights) @ slopes)
    # Filtered through the step's matrix, so that stiff components do not dominate the estimate.
    stored = raw if system.mass is None else system.mass(start.u, raw, theta)
    filtered = jnp.where(mask, system.structure.solve(factors, stored), 0.0)
    error = scaled_norm(filtered, settings.weights(start.u, u))
    solved &= jnp.isfinite(error) & jnp.all(jnp.isfinite(u))
    return StepResult(h, unknowns[1:], u, slopes[-1], error, solved, iterations)


def crossings(
    system: System,
    before: Float[Array, " events"],
    after: Float[Array, " events"],
    phase: Int[Array, ""],
) -> Bool[Array, " events"]:
    """Which events fire between the two sets of values in this phase [events]."""
    direction = jnp.array([e.crossing.value for e in system.events])
    active = jnp.array([e.phase for e in system.events]) == phase
    falling = (before > 0) & (after <= 0) & (direction <= Crossing.EITHER.value)
    rising = (before < 0) & (after >= 0) & (direction >= Crossing.EITHER.value)
    return active & (falling | rising)


def locate_event(
    system: System,
    settings: Settings,
    theta: Any,
    start: Point,
    full: StepResult,
    fired: Bool[Array, " events"],
    before: Float[Array, " events"],
    after: Float[Array, " events"],
) -> tuple[StepResult, Int[Array, ""]]:
    """Shorten the step so that it ends at the earliest of the fired events.

    The step itself is repeated with the length as the unknown (regula falsi, Illinois rule), so
    that the state at the event is the method's own solution there and not an interpolation.
    """
    roots = before / jnp.where(fired, before - after, 1.0)
    index = jnp.argmin(jnp.where(fired, roots, jnp.inf))
    resolution = settings.event_tolerance * jnp.maximum(jnp.abs(start.t) * 1e-3, full.h)

    def value(step: StepResult) -> Float[Array, ""]:
        return system.event_values(start.t + step.h, step.u, theta)[index]

    bracket = (jnp.array(0.0), before[index], full.h, after[index], full, jnp.array(0))

    def unfinished(state: tuple[Any, ...]) -> Bool[Array, ""]:
        low, _, high, _, step, count = state
        exact = value(step) == 0.0
        return (high - low > resolution) & ~exact & (count < settings.event_iterations)

    def refine(state: tuple[Any, ...]) -> tuple[Any, ...]:
        low, g_low, high, g_high, _, count = state
        h = (low * g_high - high * g_low) / (g_high - g_low)
        # A root next to an end of the bracket: step half a resolution past it to close in.
        h = jnp.clip(h, low + 0.5 * resolution, high - 0.5 * resolution)
        step = take_step(system, settings, theta, start, h)
        g = value(step)
        same_side = jnp.sign(g) == jnp.sign(g_high)
        new_low = jnp.where(same_side, low, h)
        new_high = jnp.where(same_side, h, high)
        # Illinois: halve the value kept at the end that did not move.
        kept_low = jnp.where(same_side, 0.5 * g_low, g)
        kept_high = jnp.where(same_side, g, 0.5 * g_high)
        return new_low, kept_low, new_high, kept_high, step, count + 1

    state = lax.while_loop(unfinished, refine, bracket)
    return state[4], index
