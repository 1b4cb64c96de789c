"""The adaptive loop, and the record of steps that it leaves."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gradion.numerics.integrate.settings import Settings
from gradion.numerics.integrate.stage import StageProblem, consistent_start, scaled_norm
from gradion.numerics.integrate.status import Status
from gradion.numerics.integrate.step import Point, StepResult, crossings, locate_event, take_step
from gradion.numerics.integrate.system import System

__all__ = ["FREE", "TO_END", "Nodes", "Record", "Steps", "Trajectory", "integrate"]

# Kinds of a step, by what fixes its length: FREE is the controller's choice and a constant for
# every derivative, TO_END reaches the end time, and TO_END + 1 + i ends at event i.
FREE, TO_END = 0, 1


class Nodes(NamedTuple):
    """The differentiable part of a trajectory; rows past the last step are inf or 0."""

    t: Float[Array, " max_steps+1"]
    u: Float[Array, "max_steps+1 n"]
    slope_left: Float[Array, "max_steps n"]  # du/dt where step i begins
    slope_right: Float[Array, "max_steps n"]  # du/dt where step i ends


class Steps(NamedTuple):
    """The step sequence: enough to repeat a solve exactly with other parameters."""

    h: Float[Array, " max_steps"]
    kind: Int[Array, " max_steps"]
    taken: Int[Array, ""]


class Record(NamedTuple):
    """What the derivative programs need beside the nodes."""

    steps: Steps
    stages: Float[Array, "max_steps stages n"]
    phase: Int[Array, " max_steps"]
    restart: Bool[Array, " max_steps"]


class Trajectory(NamedTuple):
    """A finished integration."""

    nodes: Nodes
    record: Record
    status: Int[Array, ""]
    attempts: Int[Array, ""]
    iterations: Int[Array, ""]


class _State(NamedTuple):
    point: Point
    h: Float[Array, ""]
    error: Float[Array, ""]  # of the last accepted step
    rejected: Bool[Array, ""]  # whether the last attempt was
    restart: Bool[Array, ""]
    running: Bool[Array, ""]
    taken: Int[Array, ""]
    trajectory: Trajectory


def integrate(
    system: System,
    settings: Settings,
    theta: Any,
    u0: Float[Array, " n"],
    t0: Float[Array, ""],
    t_end: Float[Array, ""],
    replay: Steps | None,
) -> Trajectory:
    """Integrate from t0 to t_end or to a stopping event; with `replay`, over its steps."""

    def body(state: _State) -> _State:
        state = _restart(system, settings, theta, t_end, state)
        point, i = state.point, state.taken
        h, kind = _next_length(state, t_end, replay)
        step = take_step(system, settings, theta, point, h)
        step, kind, accepted = _judge(system, settings, theta, point, step, kind, replay)
        accepted &= state.running
        next_point, stop, restart = _advance(system, t_end, point, step, kind)
        trajectory = _write(state, step, kind, next_point)
        h_next = _control(settings, step, state)
        round_off = 16 * jnp.finfo(u0.dtype).eps * jnp.maximum(jnp.abs(point.t), t_end - point.t)
        tiny = h_next < round_off
        too_small = ~accepted & (tiny | (replay is not None))
        count = i + accepted
        exhausted = accepted & ~stop & (count >= settings.max_steps)
        exhausted |= trajectory.attempts >= settings.max_attempts
        status = jnp.where(exhausted, Status.TOO_MANY_STEPS, trajectory.status)
        status = jnp.where(too_small, Status.STEP_TOO_SMALL, status)
        status = jnp.where(accepted & stop & (kind > TO_END), Status.STOPPED_BY_EVENT, status)
        status = jnp.where(accepted & stop & (kind == TO_END), Status.COMPLETED, status)
        status = jnp.where(state.running, status, trajectory.status)
        return _State(
            point=jax.tree.map(lambda x, y: jnp.where(accepted, x, y), next_point, point),
            h=h_next,
            error=jnp.where(accepted, jnp.maximum(step.error, 1e-4), state.error),
            rejected=~accepted,
            restart=accepted & restart,
            running=state.running & ~(accepted & stop) & ~exhausted & ~too_small,
            taken=count.astype(jnp.int32),
            trajectory=trajectory._replace(status=status.astype(jnp.int32)),
        )

    end = lax.while_loop(lambda s: s.running, body, _begin(settings, u0, t0))
    steps = end.trajectory.record.steps._replace(taken=end.taken)
    # The rows after the last accepted step may hold a rejected attempt.
    rows = jnp.arange(settings.max_steps + 1)
    nodes = end.trajectory.nodes
    nodes = nodes._replace(t=jnp.where(rows <= end.taken, nodes.t, jnp.inf))
    nodes = nodes._replace(u=jnp.where(rows[:, None] <= end.taken, nodes.u, 0.0))
    record = end.trajectory.record._replace(steps=steps)
    return end.trajectory._replace(nodes=nodes, record=record)


def _begin(settings: Settings, u0: Float[Array, " n"], t0: Float[Array, ""]) -> _State:
    n, m = u0.shape[0], settings.max_steps
    nodes = Nodes(
        jnp.full(m + 1, jnp.inf).at[0].set(t0),
        jnp.zeros((m + 1, n)).at[0].set(u0),
        jnp.zeros((m, n)),
        jnp.zeros((m, n)),
    )
    zero = jnp.array(0, jnp.int32)
    record = Record(
        Steps(jnp.zeros(m), jnp.zeros(m, jnp.int32), zero),
        jnp.zeros((m, settings.tableau.stages - 1, n)),
        jnp.zeros(m, jnp.int32),
        jnp.zeros(m, bool),
    )
    return _State(
        point=Point(t0, u0, jnp.zeros(n), zero),
        h=jnp.array(0.0),
        error=jnp.array(1.0),
        rejected=jnp.array(False),
        restart=jnp.array(True),
        running=jnp.array(True),
        taken=zero,
        trajectory=Trajectory(nodes, record, zero, zero, zero),
    )


def _restart(
    system: System, settings: Settings, theta: Any, t_end: Float[Array, ""], state: _State
) -> _State:
    """At the start of a phase: consistent slopes and algebraic values, and a first length."""

    def start(state: _State) -> _State:
        point = state.point
        n = point.u.shape[0]
        mask = system.differential_mask(n)
        weights = settings.weights(point.u, point.u)
        stage = StageProblem(point.u, jnp.array(0.0), point.t, theta, point.phase)
        w, found = consistent_start(system, stage, jnp.where(mask, point.k, point.u), weights)
        u, k = stage.unpack(system, w)
        size, speed = scaled_norm(point.u, weights), scaled_norm(k, weights)
        h = 0.01 * size / jnp.maximum(speed, 1e-300)
        h = jnp.clip(h, 1e-9 * (t_end - point.t), 0.1 * (t_end - point.t))
        row = state.trajectory.nodes.u.at[state.taken].set(u)
        record = state.trajectory.record
        record = record._replace(restart=record.restart.at[state.taken].set(True))
        status = jnp.where(found, state.trajectory.status, Status.NO_CONSISTENT_START)
        trajectory = state.trajectory._replace(
            nodes=state.trajectory.nodes._replace(u=row), record=record
        )
        return state._replace(
            point=point._replace(u=u, k=k),
            h=h,
            error=jnp.array(1.0),
            running=found,
            trajectory=trajectory._replace(status=status.astype(jnp.int32)),
        )

    return lax.cond(state.restart, start, lambda s: s, state)


def _next_length(
    state: _State, t_end: Float[Array, ""], replay: Steps | None
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    remaining = t_end - state.point.t
    if replay is None:
        # The last two steps share what is left, so that none is a sliver.
        h = jnp.where(state.h < remaining, jnp.minimum(state.h, 0.5 * remaining), remaining)
        h = jnp.where(state.h >= 0.999 * remaining, remaining, h)
        kind = jnp.where(h == remaining, TO_END, FREE)
    else:
        kind = replay.kind[state.taken]
        h = jnp.where(kind == TO_END, remaining, replay.h[state.taken])
    return h, kind.astype(jnp.int32)


def _judge(
    system: System,
    settings: Settings,
    theta: Any,
    point: Point,
    step: StepResult,
    kind: Int[Array, ""],
    replay: Steps | None,
) -> tuple[StepResult, Int[Array, ""], Bool[Array, ""]]:
    """Accept or reject; where an event fires, shorten the step to it."""
    accepted = step.solved & ((step.error <= 1.0) | (replay is not None))
    if not system.events:
        return step, kind, accepted
    before = system.event_values(point.t, point.u, theta)
    if replay is not None:
        # The event of a replayed step lies near its recorded end: look a little beyond it.
        step = lax.cond(
            kind > TO_END,
            lambda: take_step(system, settings, theta, point, 1.05 * step.h),
            lambda: step,
        )
    after = system.event_values(point.t + step.h, step.u, theta)
    fired = crossings(system, before, after, point.phase)
    active = jnp.array([e.phase for e in system.events]) == point.phase
    accepted &= jnp.all(jnp.isfinite(after) | ~active)
    if replay is not None:
        fired &= jnp.arange(len(system.events)) == kind - (TO_END + 1)

    def locate() -> tuple[StepResult, Array]:
        located, index = locate_event(system, settings, theta, point, step, fired, before, after)
        return located, (TO_END + 1 + index).astype(jnp.int32)

    step, kind = lax.cond(accepted & jnp.any(fired), locate, lambda: (step, kind))
    return step, kind, accepted & step.solved


def _advance(
    system: System, t_end: Float[Array, ""], point: Point, step: StepResult, kind: Int[Array, ""]
) -> tuple[Point, Bool[Array, ""], Bool[Array, ""]]:
    """The next point, whether the integration stops there, whether a phase begins there."""
    t = jnp.where(kind == TO_END, t_end, point.t + step.h)
    if not system.events:
        return Point(t, step.u, step.k, point.phase), kind == TO_END, jnp.array(False)
    following = jnp.array(
        [-1 if e.next_phase is None else e.next_phase for e in system.events], jnp.int32
    )
    is_event = kind > TO_END
    chosen = following[jnp.clip(kind - TO_END - 1, 0)]
    stop = (kind == TO_END) | (is_event & (chosen < 0))
    phase = jnp.where(is_event & (chosen >= 0), chosen, point.phase)
    return Point(t, step.u, step.k, phase), stop, is_event & ~stop


def _write(state: _State, step: StepResult, kind: Int[Array, ""], after: Point) -> Trajectory:
    """Write the attempt into the rows that the next accepted step will own."""
    trajectory, i = state.trajectory, state.taken
    nodes, record = trajectory.nodes, trajectory.record
    return trajectory._replace(
        nodes=Nodes(
            nodes.t.at[i + 1].set(after.t),
            nodes.u.at[i + 1].set(after.u),
            nodes.slope_left.at[i].set(state.point.k),
            nodes.slope_right.at[i].set(step.k),
        ),
        record=Record(
            Steps(
                record.steps.h.at[i].set(step.h),
                record.steps.kind.at[i].set(kind),
                record.steps.taken,
            ),
            record.stages.at[i].set(step.stages),
            record.phase.at[i].set(state.point.phase),
            record.restart,
        ),
        attempts=trajectory.attempts + 1,
        iterations=trajectory.iterations + step.iterations,
    )


def _control(settings: Settings, step: StepResult, state: _State) -> Float[Array, ""]:
    """Length of the next attempt: a PI controller, integral only after a rejection."""
    p = settings.tableau.embedded_order + 1
    error = jnp.maximum(step.error, 1e-10)
    proportional = error ** (-0.7 / p) * state.error ** (0.4 / p)
    integral = error ** (-1.0 / p)
    good = 0.9 * jnp.where(state.rejected, jnp.minimum(integral, 1.0 / 0.9), proportional)
    good = jnp.clip(good, 0.2, 5.0)
    bad = jnp.clip(0.9 * integral, 0.1, 0.9)
    factor = jnp.where(step.error <= 1.0, good, bad)
    return step.h * jnp.where(step.solved, factor, 0.25)
