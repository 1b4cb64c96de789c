"""The same discharge in JAX: gradion's own integrator, mesh and physics."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from cell_groups import Groups
from jax import Array
from spm_result import Status

from gradion.cell.physics import particle_rate, surface_slope
from gradion.foundation.constants import F
from gradion.numerics.integrate import Event, Settings, System, solve
from gradion.numerics.linear import BorderedTridiagonal
from gradion.numerics.mesh import RadialMesh

__all__ = ["reference"]


def reference(
    theta: Array,
    times: Array,
    *,
    n_shells: int,
    grading: float,
    rtol: float,
    atol: float,
    step: float,
    max_steps: int,
) -> tuple[Array, Array, Array, Array]:
    """Voltages, end time, status and number of steps, as the native code gives them.

    Raises ValueError for a fixed `step`, which the integrator in JAX does not have.
    """
    if step != 0.0:
        raise ValueError(f"step: got {step}, the integrator in JAX chooses its steps by the error")
    mesh, g = RadialMesh(n_shells, grading), Groups.of(theta)
    zero = jnp.zeros((), jnp.int32)
    if times.size == 0:
        return times, jnp.zeros(()), zero, zero
    u0 = jnp.repeat(g.initial, n_shells)
    settings = Settings(rtol, atol, max_steps=max_steps, max_attempts=8 * max_steps)
    out = solve(_system(mesh), theta, u0, t_end=times[-1], times=times, settings=settings)
    reached = times <= jax.lax.stop_gradient(out.t_end)
    states = jnp.where(reached[:, None], out.u, out.u_end)
    voltage = jax.vmap(lambda u: _voltage(mesh, g, u))(states)
    x_end, x_start = _surfaces(mesh, g, out.u_end), _surfaces(mesh, g, u0)
    status = jnp.where(jnp.all((x_end >= 0.0) & (x_end <= 1.0)), out.status, Status.OUT_OF_RANGE)
    status = jnp.where(jnp.all((x_start >= 0.0) & (x_start <= 1.0)), status, Status.OUT_OF_RANGE)
    margin = _voltage(mesh, g, u0) - g.cutoff
    status = jnp.where(margin > 0.0, status, Status.BELOW_CUT_OFF_AT_START)
    status = jnp.where(jnp.isfinite(margin), status, Status.NOT_FINITE)
    gaps = jnp.diff(times, prepend=0.0)
    fit = jnp.all(gaps >= 0.0) & jnp.all(jnp.isfinite(times)) & (times[-1] > 0.0)
    status = jnp.where(fit, status, Status.BAD_TIMES)
    good = status <= Status.CUT_OFF
    return (
        jnp.where(good, voltage, jnp.nan),
        jnp.where(good, out.t_end, jnp.nan),
        status.astype(jnp.int32),
        out.steps.taken,
    )


@cache
def _system(mesh: RadialMesh) -> System:
    """One for each mesh, so that equal calls compile once."""

    def rate(_t: Array, u: Array, theta: Any, _phase: Array) -> Array:
        g = Groups.of(theta)
        x, one = u.reshape(2, mesh.n), jnp.ones(())
        # In radii and c_max, j is outflow times F.
        rates = [
            particle_rate(mesh, x[e], _diffusivity(g, x)[e], g.outflow[e] * F, one, one)
            for e in (0, 1)
        ]
        return jnp.concatenate(rates)

    def margin(_t: Array, u: Array, theta: Any) -> Array:
        g = Groups.of(theta)
        return _voltage(mesh, g, u) - g.cutoff

    return System(rate, events=(Event(margin),), structure=BorderedTridiagonal())


def _diffusivity(g: Groups, x: Array) -> Array:
    """D_s / R_p^2 [1/s] in the shells [2, n]."""
    return g.diffusion[:, None] * jnp.exp(g.exponent[:, None] * x)


def _surfaces(mesh: RadialMesh, g: Groups, u: Array) -> Array:
    """Stoichiometries at both surfaces [2]."""
    x, one = u.reshape(2, mesh.n), jnp.ones(())
    slope = surface_slope(g.outflow * F, _diffusivity(g, x)[:, -1], one, one)
    return jnp.stack([mesh.surface_value(x[e], slope[e]) for e in (0, 1)])


def _voltage(mesh: RadialMesh, g: Groups, u: Array) -> Array:
    x = _surfaces(mesh, g, u)
    inside = jnp.clip(x, 0.0, 1.0)
    # Beyond an empty or a full surface as in gradion.cell.physics.OpenCircuit.
    U = g.offset + g.linear * inside - 20.0 * (x - inside)
    z = g.steepness * (inside - g.centre)
    U = U + g.amplitude[0] * jnp.exp(-z[0]) + jnp.sum(g.amplitude[1:] * jnp.tanh(z[1:]), 0)
    y = jnp.clip(x, 1e-6, 1.0 - 1e-6)
    eta = g.thermal * jnp.arcsinh(g.polarisation / jnp.sqrt(y * (1.0 - y)))
    return U[1] - U[0] + eta[1] - eta[0] - g.drop
