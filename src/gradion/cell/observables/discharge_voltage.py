"""Terminal voltage [V] of a discharge at constant current."""

from dataclasses import dataclass
from typing import final

import jax
from jaxtyping import Array, Float

from gradion.cell.models import AbstractCellModel
from gradion.cell.observables.discharge_points import FIT_SETTINGS, DischargePoints, states_at
from gradion.fit import AbstractObservable
from gradion.module import Module
from gradion.numerics.integrate import Settings

__all__ = ["DischargeVoltage"]


@final
@dataclass(frozen=True)
class DischargeVoltage(AbstractObservable):
    """Terminal voltage [V] of a discharge at constant current.

    Nothing ends the run before the last point; where the integration fails, the prediction is nan.
    """

    settings: Settings = FIT_SETTINGS

    def predict(self, module: Module, inputs: DischargePoints) -> Float[Array, " points"]:
        """The prediction at `inputs.times`. Raises TypeError if `module` is no cell model."""
        if not isinstance(module, AbstractCellModel):
            raise TypeError(f"module: got a {type(module).__name__}, expected a cell model")
        model, points = module, inputs
        states = states_at(model, points, self.settings)
        return jax.vmap(lambda u: model.overpotentials(u, points.current).voltage())(states)
