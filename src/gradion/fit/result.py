"""What a fit found, with everything that a report needs."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from gradion.fit.dataset import Role
from gradion.fit.identifiability import DroppedParameter, Identifiability, Verdict
from gradion.fit.termination import Iteration, Termination
from gradion.fit.uncertainty import Uncertainty
from gradion.module import Module
from gradion.module.meta import Bounds

__all__ = ["DataSetResult", "FitResult", "ParameterResult", "Timings"]


@final
@dataclass(frozen=True)
class ParameterResult:
    """One fitted number; values, bounds, error and interval in `unit`.

    `standard_error` and `interval` (95 %) are those of the fit's default covariance, nan where
    the parameter ended `at_bound`. `relative_error` is the standard error in the scale in which
    parameters are compared (`Coordinate.change_scale`).
    """

    label: str
    name: str
    unit: str
    start: float
    bounds: Bounds | None
    fitted: float
    standard_error: float
    interval: tuple[float, float]
    relative_error: float
    at_bound: bool
    verdict: Verdict
    source: str | None


@final
@dataclass(frozen=True, eq=False)
class DataSetResult:
    """A data set with its predictions at the start and at the end, in its unit."""

    name: str
    role: Role
    unit: str
    sigma: float
    count: int
    inputs: Any
    measured: Float[np.ndarray, " points"]
    weights: Float[np.ndarray, " points"]
    before: Float[np.ndarray, " points"]
    after: Float[np.ndarray, " points"]
    rms_before: float
    rms_after: float
    effective_count: float
    """How many independent residuals carry as much; nan for a data set that is not fitted."""


@final
@dataclass(frozen=True)
class Timings:
    """Wall-clock times [s].

    `first_prediction` is that of the first evaluation, with compilation; `first_jacobian` that of
    the optimiser's start, next to nothing unless it needs another program (LBFGS, Adam).
    """

    first_prediction: float
    first_jacobian: float
    optimisation: float
    uncertainty: float
    total: float


@final
@dataclass(frozen=True, eq=False)
class FitResult:
    """The result of `fit`.

    `parameters` are in the order of `uncertainty`'s rows and columns, `iterations` run through
    all rounds of refitting. `identifiability` belongs to the end of the fit.
    """

    module: Module
    parameters: tuple[ParameterResult, ...]
    dropped: tuple[DroppedParameter, ...]
    datasets: tuple[DataSetResult, ...]
    uncertainty: Uncertainty
    identifiability: Identifiability
    iterations: tuple[Iteration, ...]
    termination: Termination
    cost_before: float
    cost_after: float
    timings: Timings
    version: str
    settings: dict[str, str]
    """What the fit was asked to do, as text: parameters, data, optimiser, rule."""

    @property
    def is_success(self) -> bool:
        """Whether the optimiser converged."""
        return self.termination.is_success

    def to_json(self) -> str:
        """Everything but the Module and the inputs as JSON; what is not finite is null."""
        left_out = {"module"}
        fields = {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in left_out
        }
        fields["message"] = self.termination.message
        return json.dumps(fields, indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    """The value as JSON knows it."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.name != "inputs"]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Iteration):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
