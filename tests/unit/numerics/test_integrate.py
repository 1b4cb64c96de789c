"""The integrator: closed forms, events, phases, failures, and both derivative modes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from gradion.numerics.integrate import (
    Crossing,
    Event,
    IntegrationError,
    Settings,
    Solution,
    Status,
    System,
    solve,
)
from gradion.testing import assert_adjoint

TIGHT = Settings(rtol=1e-9, atol=1e-11)


def _decay(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    return -theta["k"] * u


def _half(t: Array, u: Array, theta: Any) -> Array:
    return u[0] - theta["level"]


DECAY = System(_decay)
DECAY_TO_LEVEL = System(_decay, events=(Event(_half),))


def test_exponential_decay_and_its_derivatives() -> None:
    times = jnp.linspace(0.0, 2.0, 7)

    @jax.jit
    def states(k: Array) -> Array:
        return solve(DECAY, {"k": k}, jnp.ones(1), t_end=2.0, times=times, settings=TIGHT).u[:, 0]

    k = jnp.array(1.3)
    # Tolerance 1e-9 a step, some 100 steps, interpolation of order 4.
    np.testing.assert_allclose(states(k), np.exp(-1.3 * times), rtol=1e-7)
    np.testing.assert_allclose(
        jax.jacfwd(states)(k), -times * np.exp(-1.3 * times), rtol=1e-6, atol=1e-8
    )


def test_stop_event_time_and_its_derivative_are_closed_forms() -> None:
    @jax.jit
    def stop_time(k: Array, level: Array) -> Array:
        theta = {"k": k, "level": level}
        times = jnp.array([0.1, 9.0])
        out = solve(DECAY_TO_LEVEL, theta, jnp.ones(1), t_end=9.0, times=times, settings=TIGHT)
        return jnp.concatenate([out.t_end[None], out.u_end, out.u[:, 0], out.event[None]])

    t_end, u_end, _, beyond, event = stop_time(jnp.array(2.0), jnp.array(0.3))
    assert event == 0
    assert np.isnan(beyond)
    np.testing.assert_allclose(t_end, -np.log(0.3) / 2.0, rtol=1e-8)
    np.testing.assert_allclose(u_end, 0.3, rtol=1e-10)
    slopes = jax.jit(jax.jacrev(lambda p: stop_time(p[0], p[1])[0]))(jnp.array([2.0, 0.3]))
    np.testing.assert_allclose(slopes, [np.log(0.3) / 4.0, -1.0 / 0.6], rtol=1e-7)


def _thermostat(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    x, y, z = u
    q = jnp.where(phase == 0, theta["q"], -0.2 * theta["q"])
    return jnp.stack([q - theta["k"] * x**2 + 0.1 * z, x - y * z, z - jnp.sin(x) - theta["a"] * t])


def _upper(t: Array, u: Array, theta: Any) -> Array:
    return u[0] - theta["high"]


def _lower(t: Array, u: Array, theta: Any) -> Array:
    return u[0] - theta["low"] + 0.01 * u[2]


THERMOSTAT = System(
    _thermostat,
    algebraic=(False, False, True),
    events=(
        Event(_upper, phase=0, next_phase=1, crossing=Crossing.RISING),
        Event(_lower, phase=1),
    ),
)
THETA = {
    name: jnp.array(value)
    for name, value in {"q": 1.0, "k": 0.3, "a": 0.1, "high": 1.5, "low": 0.4}.items()
}
ROUND_OFF = Settings(rtol=1e-5, atol=1e-7, newton_tolerance=0.0, max_steps=64)


def _thermostat_run(theta: Any, u0: Array, replay: Any = None) -> Solution:
    times = jnp.linspace(0.0, 4.0, 9)
    return solve(THERMOSTAT, theta, u0, t_end=40.0, times=times, settings=ROUND_OFF, replay=replay)


@pytest.fixture(scope="module")
def thermostat() -> tuple[Any, Any]:
    """A run of a DAE with a switch and a stop, and its replay as a function of all inputs."""
    u0 = jnp.array([0.1, 1.0, 0.3])
    steps = jax.jit(_thermostat_run)(THETA, u0).steps

    @jax.jit
    def outputs(inputs: tuple[Any, Array]) -> Array:
        out = _thermostat_run(*inputs, replay=steps)
        return jnp.concatenate([out.u.ravel(), out.t_end[None], out.u_end])

    return outputs, (THETA, u0)


def test_phases_switch_and_algebraic_unknowns_stay_consistent() -> None:
    out = jax.jit(_thermostat_run)(THETA, jnp.array([0.1, 1.0, 0.3]))
    assert int(out.status) == Status.STOPPED_BY_EVENT
    assert int(out.event) == 1
    x, _, z = np.asarray(out.u).T
    np.testing.assert_allclose(z, np.sin(x) + 0.1 * np.asarray(out.t), atol=1e-12)
    x, _, z = out.u_end
    np.testing.assert_allclose(x, 0.4 - 0.01 * z, rtol=1e-9)


def test_replay_repeats_the_solve(thermostat: tuple[Any, Any]) -> None:
    outputs, inputs = thermostat
    first = jax.jit(_thermostat_run)(*inputs)
    expected = jnp.concatenate([first.u.ravel(), first.t_end[None], first.u_end])
    np.testing.assert_allclose(outputs(inputs), expected, rtol=1e-11, atol=1e-13)


def test_forward_and_adjoint_agree_to_round_off(thermostat: tuple[Any, Any]) -> None:
    outputs, inputs = thermostat
    for seed in range(3):
        assert_adjoint(outputs, inputs, jax.random.key(seed), rtol=1e-13)


@pytest.fixture(scope="module")
def slopes(thermostat: tuple[Any, Any]) -> tuple[Any, Array]:
    """Derivatives of the replayed outputs by the parameters and by the initial values."""
    outputs, inputs = thermostat
    return jax.jit(jax.jacfwd(outputs))(inputs)


def test_derivatives_match_differences_of_the_replay(
    thermostat: tuple[Any, Any], slopes: tuple[Any, Array]
) -> None:
    outputs, (theta, u0) = thermostat
    for name in theta:
        step = 3e-5 * theta[name]
        up, down = ({**theta, name: theta[name] + s * step} for s in (1.0, -1.0))
        difference = (outputs((up, u0)) - outputs((down, u0))) / (2.0 * step)
        error = np.abs(difference - slopes[0][name]).max() / np.abs(difference).max()
        assert error < 1e-6, (name, error)


def test_initial_values_have_derivatives(
    thermostat: tuple[Any, Any], slopes: tuple[Any, Array]
) -> None:
    outputs, (theta, u0) = thermostat
    for j in range(2):
        step = jnp.zeros(3).at[j].set(1e-5)
        difference = (outputs((theta, u0 + step)) - outputs((theta, u0 - step))) / 2e-5
        error = np.abs(difference - slopes[1][:, j]).max() / np.abs(difference).max()
        assert error < 1e-6, (j, error)
    # The algebraic start value is a guess: nothing depends on it.
    assert np.all(slopes[1][:, 2] == 0.0)


def _with_mass(u: Array, k: Array, theta: Any) -> Array:
    # A full, solution-dependent mass matrix.
    return jnp.stack([(1.0 + u[0] ** 2) * k[0] + 0.3 * k[1], 0.2 * u[1] * k[0] + 2.0 * k[1]])


def _massive(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    return jnp.stack([-theta["k"] * u[0] + jnp.sin(t), u[0] - u[1] ** 3])


def _unmassive(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    m = jnp.array([[1.0, 0.3], [0.0, 2.0]]).at[0, 0].add(u[0] ** 2).at[1, 0].set(0.2 * u[1])
    return jnp.linalg.solve(m, _massive(t, u, theta, phase))


def test_mass_matrix_equals_solving_for_the_slopes() -> None:
    times = jnp.linspace(0.0, 3.0, 5)
    u0, theta = jnp.array([1.0, 0.4]), {"k": jnp.array(1.7)}

    def run(system: System, theta: Any) -> Array:
        return solve(system, theta, u0, t_end=3.0, times=times, settings=TIGHT).u

    with_mass = jax.jit(jax.jacfwd(lambda th: run(System(_massive, mass=_with_mass), th)))(theta)
    without = jax.jit(jax.jacfwd(lambda th: run(System(_unmassive), th)))(theta)
    np.testing.assert_allclose(with_mass["k"], without["k"], rtol=1e-6, atol=1e-8)


def test_jacobian_of_many_parameters_equals_columns_one_by_one() -> None:
    times = jnp.linspace(0.0, 1.0, 4)

    def states(k: Array) -> Array:
        return solve(DECAY, {"k": k}, jnp.ones(3), t_end=1.0, times=times).u

    k = jnp.array([0.5, 1.0, 2.0])
    together = jax.jit(jax.jacfwd(states))(k)
    one = jax.jit(lambda v: jax.jvp(states, (k,), (v,))[1])
    for j in range(3):
        np.testing.assert_allclose(together[..., j], one(jnp.eye(3)[j]), rtol=1e-12, atol=1e-15)


def test_end_time_and_output_times_have_derivatives() -> None:
    def value(t_end: Array, time: Array) -> Array:
        theta = {"k": jnp.array(1.0)}
        out = solve(DECAY, theta, jnp.ones(1), t_end=t_end, times=time[None], settings=TIGHT)
        return jnp.stack([out.u_end[0], out.u[0, 0]])

    at = (jnp.array(1.5), jnp.array(0.4))
    end, middle = jax.jit(jax.jacrev(value, argnums=(0, 1)))(*at)
    np.testing.assert_allclose(end[0], -np.exp(-1.5), rtol=1e-6)
    np.testing.assert_allclose(middle[1], -np.exp(-0.4), rtol=1e-5)


def _blow_up(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    return theta["k"] * u**2


def _no_root(t: Array, u: Array, theta: Any, phase: Array) -> Array:
    return jnp.stack([u[1], u[1] ** 2 + theta["k"]])


def test_failures_have_a_reason_and_keep_what_was_reached() -> None:
    theta = {"k": jnp.array(1.0)}
    times = jnp.array([0.5, 2.0])

    def run(system: System, u0: Array, settings: Settings) -> Solution:
        return jax.jit(
            lambda theta: solve(system, theta, u0, t_end=2.0, times=times, settings=settings)
        )(theta)

    singular = run(System(_blow_up), jnp.ones(1), TIGHT)
    assert int(singular.status) in (Status.STEP_TOO_SMALL, Status.TOO_MANY_STEPS)
    np.testing.assert_allclose(singular.u[0], 2.0, rtol=1e-4)
    assert np.isnan(singular.u[1, 0])
    assert 0.99 < float(singular.t_end) < 1.001
    with pytest.raises(IntegrationError, match="integration failed at t = "):
        singular.check()
    inconsistent = run(System(_no_root, algebraic=(False, True)), jnp.ones(2), Settings())
    assert int(inconsistent.status) == Status.NO_CONSISTENT_START
    # Not compiled as one: a user may call it so.
    few = Settings(max_steps=3)
    short = solve(DECAY, theta, jnp.ones(1), t_end=50.0, times=times, settings=few)
    assert int(short.status) == Status.TOO_MANY_STEPS


def test_second_derivative_is_refused_with_a_reason() -> None:
    def end(k: Array) -> Array:
        return solve(DECAY, {"k": k}, jnp.ones(1), t_end=1.0, times=jnp.ones(1)).u_end[0]

    with pytest.raises(TypeError, match="differentiated twice"):
        jax.jit(jax.jacfwd(jax.jacfwd(end)))(jnp.array(1.0))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="rtol"):
        Settings(rtol=2.0)
    with pytest.raises(ValueError, match="atol"):
        Settings(atol=0.0)
    with pytest.raises(ValueError, match="max_steps"):
        Settings(max_steps=0)
    with pytest.raises(ValueError, match="times"):
        solve(DECAY, {"k": 1.0}, jnp.ones(1), t_end=1.0, times=1.0)
    short = System(_decay, algebraic=(False,))
    with pytest.raises(ValueError, match="algebraic has 1 entries for 2"):
        solve(short, {"k": 1.0}, jnp.ones(2), t_end=1.0, times=jnp.ones(1))


def test_batch_of_parameter_sets_equals_single_solves() -> None:
    times = jnp.linspace(0.0, 1.0, 3)

    def states(k: Array) -> Array:
        return solve(DECAY, {"k": k}, jnp.ones(1), t_end=1.0, times=times).u[:, 0]

    k = jnp.array([0.1, 3.0, 50.0])
    batch = jax.jit(jax.vmap(states))(k)
    single = jax.jit(states)
    for row, value in zip(batch, k, strict=True):
        np.testing.assert_allclose(row, single(value), rtol=1e-12, atol=1e-15)
