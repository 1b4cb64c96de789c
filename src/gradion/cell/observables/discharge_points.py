"""The points of a measured discharge, and the model's states there."""

from typing import NamedTuple

from jaxtyping import Array, Float

from gradion.cell.discharge import DischargeInput, discharge_rate
from gradion.cell.models import AbstractCellModel
from gradion.numerics.integrate import Settings, System, solve

__all__ = ["FIT_SETTINGS", "DischargePoints", "states_at"]

# Errors of 10 uV in the voltage, far below those of a cycler.
FIT_SETTINGS = Settings(rtol=1e-5, atol=1e-7, max_steps=256, max_attempts=1024)


class DischargePoints(NamedTuple):
    """A discharge at constant `current` [A], positive, and the times [s] of the measured points.

    Times do not fall; the last one is the end of the integration, and may stand several times as
    padding.
    """

    current: Float[Array, ""]
    times: Float[Array, " points"]


def states_at(
    model: AbstractCellModel, points: DischargePoints, settings: Settings
) -> Float[Array, "points n"]:
    """Unknowns of the model at the points; nan from where the integration fails.

    No voltage limit ends the run: it goes on to the last point, whatever the parameters.
    """
    theta = DischargeInput(model, points.current)
    return solve(
        System(discharge_rate, structure=model.structure),
        theta,
        model.initial_state(),
        t_end=points.times[-1],
        times=points.times,
        settings=settings,
    ).u
