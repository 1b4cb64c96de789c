"""Measured points, and what they are compared with."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np
from jaxtyping import Float

from gradion.fit.observable import AbstractObservable
from gradion.foundation.errors import InputError
from gradion.foundation.units import check_unit

__all__ = ["DataSet", "Role"]


@final
class Role(enum.Enum):
    """What a data set is for."""

    FIT = "fit"
    """Its residuals are minimised."""
    VALIDATE = "validate"
    """It is predicted and reported, and never moves a parameter."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class DataSet:
    """One series of measured points, in the order in which they were measured.

    - `name`: unique within a problem.
    - `observable`, `inputs`: the prediction is `observable.predict(module, inputs)`; `inputs` is
      any pytree of arrays.
    - `measured`: shape [points], in `unit`.
    - `weights`: shape [points], not negative: quadrature weights, for example those of the
      trapezoid rule in time. They are scaled here so that their sum is the number of points
      with a positive weight. A point of weight 0 is padding: it counts nowhere, and its measured
      value may be nan. None is weight 1 everywhere.
    - `sigma`: the scale of the measurement error, in `unit`; it sets how much this data set
      counts beside the others and beside priors.

    The order of the points matters for the uncertainty: residuals of neighbours may be
    correlated.

    Raises InputError, with the name of the data set and the index of the point, for shapes that
    differ, a value that is not finite, a negative weight, no positive weight at all, or a
    `sigma` that is not positive; TypeError for an observable or a role that is none.
    """

    name: str
    observable: AbstractObservable
    inputs: Any
    measured: Float[np.ndarray, " points"]
    weights: Float[np.ndarray, " points"] | None = None
    role: Role = Role.FIT
    sigma: float = 1.0
    unit: str = "1"  # string: a unit is text, checked against the unit grammar

    def __post_init__(self) -> None:
        if not isinstance(self.observable, AbstractObservable):
            raise TypeError(
                f"data set {self.name!r}: got observable {self.observable!r}, expected an "
                "AbstractObservable"
            )
        if not isinstance(self.role, Role):
            raise TypeError(f"data set {self.name!r}: got role {self.role!r}, expected a Role")
        weights = self._checked_weights()
        used = weights > 0.0
        measured = self._checked_points("measured", self.measured)
        self._require_finite("measured", measured, used)
        inputs = jax.tree_util.tree_map(np.asarray, self.inputs)
        for path, leaf in jax.tree_util.tree_leaves_with_path(inputs):
            if leaf.dtype.kind == "f":
                label = f"inputs{jax.tree_util.keystr(path)}"
                self._require_finite(label, leaf, np.ones(leaf.shape, bool))
        sigma = float(self.sigma)
        if not (np.isfinite(sigma) and sigma > 0.0):
            raise self._error(f"sigma is {self.sigma!r}", "expected a positive finite number")
        # Padding takes no part in anything: a number keeps it out of arithmetic with nan.
        measured = np.where(used, measured, 0.0)
        for array in (measured, weights):
            array.setflags(write=False)
        for name, value in (
            ("inputs", inputs),
            ("measured", measured),
            ("weights", weights),
            ("sigma", sigma),
            ("unit", self.unit if self.unit == "1" else check_unit(self.unit)),
        ):
            object.__setattr__(self, name, value)

    @property
    def count(self) -> int:
        """Number of points with a positive weight."""
        return int(np.count_nonzero(self._weights > 0.0))

    @property
    def used(self) -> np.ndarray:
        """Which points have a positive weight; shape [points]."""
        return self._weights > 0.0

    def rms(self, predicted: Float[np.ndarray, " points"]) -> float:
        """`sqrt(sum w r^2 / sum w)` of the residuals `r = predicted - measured`, in `unit`."""
        residual = np.where(self.used, np.asarray(predicted) - self.measured, 0.0)
        return float(np.sqrt(np.sum(self._weights * residual**2) / np.sum(self._weights)))

    @property
    def _weights(self) -> np.ndarray:
        # After __post_init__ the weights are never None.
        return np.asarray(self.weights)

    def _checked_points(self, label: str, given: Any) -> np.ndarray:
        array = np.array(given, dtype=np.float64)
        if array.ndim != 1 or array.size == 0:
            raise self._error(
                f"{label} has shape {array.shape}", "expected one axis with at least one point"
            )
        return array

    def _checked_weights(self) -> np.ndarray:
        measured = self._checked_points("measured", self.measured)
        if self.weights is None:
            return np.ones_like(measured)
        weights = self._checked_points("weights", self.weights)
        if weights.shape != measured.shape:
            raise self._error(f"{weights.size} weights for {measured.size} points", None)
        self._require_finite("weights", weights, np.ones(weights.shape, bool))
        if (weights < 0.0).any():
            index = int(np.argmax(weights < 0.0))
            raise self._error(f"weights[{index}] is {weights[index]:g}", "expected 0 or more")
        total = weights.sum()
        if not total > 0.0:
            raise self._error("every weight is 0", "give at least one point a positive weight")
        return weights * (np.count_nonzero(weights) / total)

    def _require_finite(self, label: str, array: np.ndarray, used: np.ndarray) -> None:
        bad = used & ~np.isfinite(array)
        if bad.any():
            index = [int(i) for i in np.argwhere(bad)[0]]
            place = f"{label}[{', '.join(map(str, index))}]" if index else label
            raise self._error(
                f"{place} is {array[tuple(index)]}", "expected a finite number; drop the point"
            )

    def _error(self, what: str, mend: str | None) -> InputError:
        return InputError(what, where=f"data set {self.name!r}", mend=mend)
