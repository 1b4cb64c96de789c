"""Runs of a cell model, with cut-offs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradion.cell.discharge import DischargeInput, discharge_rate
from gradion.cell.models import AbstractCellModel
from gradion.cell.outputs import Outputs, outputs_at
from gradion.cell.protocols import AbstractCutoff, ConstantCurrent, LowerVoltage
from gradion.cell.simulation_result import SimulationResult, make_dataset
from gradion.foundation.errors import InputError
from gradion.numerics.integrate import Event, Settings, Status, System, solve

__all__ = ["simulate"]

# The last output times before a voltage limit are dense enough at this count, and the first ones
# resolve the jump of the voltage when the current sets in.
_UNIFORM_TIMES, _EARLY_TIMES = 180, 20
_SETTINGS = Settings(rtol=1e-6, atol=1e-8, max_steps=512)


class _Run(NamedTuple):
    outputs: Outputs
    initial_margins: tuple[Array, ...]
    t_end: Array
    status: Int[Array, ""]
    event: Int[Array, ""]


@dataclass(frozen=True)
class _Watch:
    """The event function of a cut-off; equal for equal kinds, so that it compiles once."""

    kind: type[AbstractCutoff]
    index: int

    def __call__(self, t: Array, u: Array, theta: DischargeInput) -> Array:
        return self.kind.margin(theta.model, u, theta.current, theta.limits[self.index])


def simulate(
    model: AbstractCellModel,
    protocol: ConstantCurrent,
    *,
    until: Sequence[AbstractCutoff] = (LowerVoltage(),),
    t_end: float | None = None,
    times: Sequence[float] | Float[np.ndarray, " times"] | None = None,
    settings: Settings = _SETTINGS,
) -> SimulationResult:
    """Discharge a cell until the first of the cut-offs or `t_end` [s].

    `t_end` is by default the last of `times`, or twice the time in which the current empties the
    nominal capacity. The result has values at `times` [s] that were reached and at the end; by
    default at 200 times, denser at the start. An integration that fails on the way gives the
    values up to there, with `succeeded` false and the reason.

    Raises InputError if `t_end` is not positive, if `times` do not grow within [0, t_end], and if
    the run begins beyond a cut-off. One program is compiled for a model, its mesh and the kinds of
    cut-offs: other currents, limits and parameters use it again.
    """
    t_stop = _end_time(model, protocol, t_end, times)
    asked = None if times is None else _checked_times(times, t_stop)
    system = _system(model, tuple(until))
    theta = DischargeInput(
        model,
        jnp.asarray(protocol.current, float),
        tuple(jnp.asarray(cutoff.limit_of(model), float) for cutoff in until),
    )
    # The first call finds the end, the second gives the values up to it: the same program twice
    # costs milliseconds, another program would cost a compilation.
    first = _run((system, settings), theta, t_stop, _output_times(t_stop, asked))
    _check_start(model, until, first.initial_margins)
    found = float(first.t_end)
    out_times = _output_times(found, asked)
    run = jax.device_get(_run((system, settings), theta, t_stop, out_times))
    keep = np.ones(out_times.size, bool)
    if asked is not None:
        # The row of the end stands for all asked times beyond it.
        keep[:-1] = asked < found * (1.0 - 1e-12)
    status = Status(int(run.status))
    return SimulationResult(
        dataset=make_dataset(
            model,
            current=protocol.current,
            times=out_times[keep],
            outputs=jax.tree.map(lambda x: np.asarray(x)[keep], run.outputs),
            reason=_reason(status, int(run.event), until, theta.limits),
        ),
        status=status,
    )


def _system(model: AbstractCellModel, until: tuple[AbstractCutoff, ...]) -> System:
    events = tuple(Event(_Watch(type(cutoff), index)) for index, cutoff in enumerate(until))
    return System(discharge_rate, events=events, structure=model.structure)


@partial(jax.jit, static_argnums=0)
def _run(static: tuple[System, Settings], theta: DischargeInput, t_end: Any, times: Any) -> _Run:
    system, settings = static
    u0 = theta.model.initial_state()
    solution = solve(system, theta, u0, t_end=t_end, times=times, settings=settings)
    start = jnp.asarray(0.0)
    return _Run(
        jax.vmap(lambda u: outputs_at(theta.model, u, theta.current))(solution.u),
        tuple(event.function(start, u0, theta) for event in system.events),
        solution.t_end,
        solution.status,
        solution.event,
    )


def _end_time(
    model: AbstractCellModel, protocol: ConstantCurrent, t_end: float | None, times: Any
) -> float:
    if t_end is None and times is not None and len(times):
        return float(times[-1])
    if t_end is None:
        return 2.0 * 3600.0 * float(model.cell.nominal_capacity) / protocol.current
    if not math.isfinite(t_end) or t_end <= 0.0:
        raise InputError(f"t_end: got {t_end:g} s", mend="expected a positive time")
    return float(t_end)


def _checked_times(times: Any, t_end: float) -> Float[np.ndarray, " times"]:
    asked = np.asarray(times, float)
    if asked.ndim != 1 or asked.size == 0:
        raise InputError(f"times: got shape {asked.shape}", mend="expected a list of times")
    grow = bool(np.all(np.isfinite(asked))) and bool(np.all(np.diff(asked) > 0.0))
    if not grow or asked[0] < 0.0 or asked[-1] > t_end or t_end <= 0.0:
        raise InputError(
            f"times: got {asked.size} from {asked[0]:g} to {asked[-1]:g} s",
            mend=f"expected them to grow from 0 s or later to at most t_end, {t_end:g} s",
        )
    return asked


def _output_times(t_end: float, asked: np.ndarray | None) -> Float[np.ndarray, " times"]:
    """Times in [0, t_end], their number fixed: as many whatever the end."""
    if asked is not None:
        return np.append(np.minimum(asked, t_end), t_end)
    uniform = np.linspace(0.0, 1.0, _UNIFORM_TIMES)
    early = np.geomspace(1e-3, 1.0, _EARLY_TIMES + 2)[:-1] * uniform[1]
    return t_end * np.concatenate([uniform[:1], early[:-1], uniform[1:]])


def _check_start(
    model: AbstractCellModel, until: Sequence[AbstractCutoff], margins: tuple[Array, ...]
) -> None:
    for cutoff, margin in zip(until, margins, strict=True):
        if not float(margin) > 0.0:
            limit = float(cutoff.limit_of(model))
            raise InputError(
                f"{cutoff.label}: got {limit:g} {cutoff.unit}, and the run begins "
                f"{-float(margin):.3g} {cutoff.unit} beyond it",
                mend="move the limit, lower the current or start from another state of charge",
            )


def _reason(
    status: Status, event: int, until: Sequence[AbstractCutoff], limits: tuple[Array, ...]
) -> str:
    if status is not Status.STOPPED_BY_EVENT:
        return status.message
    cutoff = until[event]
    return f"{cutoff.label} of {float(limits[event]):g} {cutoff.unit} reached"
