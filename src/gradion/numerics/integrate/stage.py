"""The equations of one implicit stage, and their solution.

The unknown w of a stage is the slope k = du/dt where an unknown is differential and the value
itself where it is algebraic:

    u = base + h gamma k,   k = w    (differential)
    u = w,                  k = 0    (algebraic)
    M(u) k - f(t, u) = 0

With h = 0 the same equations give consistent initial slopes and algebraic values.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gradion.numerics.integrate.system import System

__all__ = ["StageProblem", "consistent_start", "newton", "scaled_norm", "stage_factors"]

_MAX_ITERATIONS = 10
_MAX_ITERATIONS_TO_ROUND_OFF = 40
_MAX_START_ITERATIONS = 50
_STAGNATION = 1e-2  # of the step's tolerance


class StageProblem(NamedTuple):
    """One stage's data: base value [n], step times gamma, time, parameters, phase."""

    base: Float[Array, " n"]
    h_gamma: Float[Array, ""]
    t: Float[Array, ""]
    theta: Any
    phase: Int[Array, ""]

    def unpack(
        self, system: System, w: Float[Array, " n"]
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Values u and slopes k of the unknown w."""
        if not system.has_algebraic:
            return self.base + self.h_gamma * w, w
        mask = system.differential_mask(w.shape[0])
        return jnp.where(mask, self.base + self.h_gamma * w, w), jnp.where(mask, w, 0.0)

    def residual(self, system: System, w: Float[Array, " n"]) -> Float[Array, " n"]:
        u, k = self.unpack(system, w)
        return system.residual(self.t, u, k, self.theta, self.phase)


class _Newton(NamedTuple):
    w: Float[Array, " n"]
    norm: Float[Array, ""]
    iteration: Int[Array, ""]
    converged: Bool[Array, ""]
    failed: Bool[Array, ""]


def scaled_norm(x: Float[Array, " n"], weights: Float[Array, " n"]) -> Float[Array, ""]:
    """Root mean square of x * weights."""
    return jnp.sqrt(jnp.mean((x * weights) ** 2))


def stage_factors(system: System, stage: StageProblem, w: Float[Array, " n"]) -> Any:
    """Factorised Jacobian of the stage equations at w."""
    _, linear = jax.linearize(lambda x: stage.residual(system, x), w)
    return system.structure.factorise(system.structure.matrix(linear, w))


def newton(
    system: System,
    stage: StageProblem,
    factors: Any,
    guess: Float[Array, " n"],
    weights: Float[Array, " n"],
    tolerance: float,
) -> tuple[Float[Array, " n"], Bool[Array, ""], Int[Array, ""]]:
    """Simplified Newton iteration with given factors.

    Stops when the estimated remaining error in u is below `tolerance`, in the norm of `weights`,
    or at round-off, whichever comes first; `tolerance=0` asks for round-off. Returns w, whether
    it converged, and the number of iterations.
    """
    scale = weights * _update_scale(system, stage.h_gamma, guess.shape[0])
    limit = _MAX_ITERATIONS if tolerance > 0 else _MAX_ITERATIONS_TO_ROUND_OFF
    floor = 8 * jnp.finfo(guess.dtype).eps * scaled_norm(stage.base, weights)

    def body(state: _Newton) -> _Newton:
        dw = -system.structure.solve(factors, stage.residual(system, state.w))
        norm = scaled_norm(dw, scale)
        rate = norm / state.norm
        first = state.iteration == 0
        # Geometric series of the updates still to come; the first one has no rate to go by.
        remaining = jnp.where(first, 10.0, rate / jnp.maximum(1.0 - rate, 0.1)) * norm
        # Updates that are small and no longer shrink are round-off.
        stagnant = ~first & (rate > 0.5) & (norm <= _STAGNATION)
        converged = (remaining <= tolerance) | (norm <= floor) | stagnant
        diverging = ~first & (rate > 2.0) & (norm > _STAGNATION)
        failed = ~jnp.isfinite(norm) | diverging
        return _Newton(state.w + dw, norm, state.iteration + 1, converged, failed)

    def unfinished(state: _Newton) -> Bool[Array, ""]:
        return ~state.converged & ~state.failed & (state.iteration < limit)

    start = _Newton(
        guess, jnp.array(1.0), jnp.array(0, jnp.int32), jnp.array(False), jnp.array(False)
    )
    end = lax.while_loop(unfinished, body, start)
    return end.w, end.converged & ~end.failed, end.iteration


def consistent_start(
    system: System, stage: StageProblem, guess: Float[Array, " n"], weights: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    """Slopes and algebraic values at a point: Newton with its own Jacobian and damping.

    `stage` has h_gamma = 0, `guess` holds any slopes and the best known algebraic values.
    """
    n = guess.shape[0]
    if system.is_explicit:
        w = system.rhs(stage.t, stage.base, stage.theta, stage.phase)
        return w, jnp.all(jnp.isfinite(w))
    if not system.has_algebraic:
        # Linear in the slopes: one iteration is exact.
        factors = stage_factors(system, stage, guess)
        w = guess - system.structure.solve(factors, stage.residual(system, guess))
        return w, jnp.all(jnp.isfinite(w))
    algebraic = ~system.differential_mask(n)

    def body(state: _Newton) -> _Newton:
        residual = stage.residual(system, state.w)
        factors = stage_factors(system, stage, state.w)
        dw = -system.structure.solve(factors, residual)
        norm = scaled_norm(jnp.where(algebraic, dw, 0.0), weights)
        # Newton's iteration is quadratic here: after so small an update only round-off remains.
        size = scaled_norm(jnp.where(algebraic, state.w, 0.0), weights)
        floor = 1e-6 + 64 * jnp.finfo(guess.dtype).eps * size
        # The natural monotonicity test: the next simplified update must shrink.
        lengths = 0.5 ** jnp.arange(12)

        def trial(length: Float[Array, ""]) -> Float[Array, ""]:
            after = stage.residual(system, state.w + length * dw)
            update = system.structure.solve(factors, after)
            return scaled_norm(jnp.where(algebraic, update, 0.0), weights)

        norms = jax.vmap(trial)(lengths)
        fits = jnp.isfinite(norms) & (norms <= (1.0 - 0.25 * lengths) * norm + floor)
        length = lengths[jnp.argmax(fits)]
        w = jnp.where(jnp.any(fits), state.w + length * dw, state.w)
        converged = (norm <= floor) & (state.iteration > 0)
        failed = ~jnp.isfinite(norm) | ~jnp.any(fits)
        return _Newton(w, norm, state.iteration + 1, converged, failed & ~converged)

    def unfinished(state: _Newton) -> Bool[Array, ""]:
        return ~state.converged & ~state.failed & (state.iteration < _MAX_START_ITERATIONS)

    start = _Newton(
        guess, jnp.array(1.0), jnp.array(0, jnp.int32), jnp.array(False), jnp.array(False)
    )
    end = lax.while_loop(unfinished, body, start)
    return end.w, end.converged


def _update_scale(system: System, h_gamma: Float[Array, ""], n: int) -> Array:
    """d|u| / d|w|: h gamma for a slope, one for an algebraic value."""
    if not system.has_algebraic:
        return h_gamma
    return jnp.where(system.differential_mask(n), h_gamma, 1.0)
