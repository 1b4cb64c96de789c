"""What is known about a Parameter besides its value."""

import math
from dataclasses import dataclass, replace
from typing import final

from gradion.foundation.errors import InputError
from gradion.foundation.units import check_unit
from gradion.module.prior import AbstractPrior

__all__ = ["Bounds", "ParameterMeta", "parse_bounds"]

Bounds = tuple[float, float]


@final
@dataclass(frozen=True)
class ParameterMeta:
    """Unit, bounds, prior, source and trainability of a Parameter; hashable, so static to JAX.

    `bounds` are (low, high) in the Parameter's unit, infinite on an open side, or None.
    `unit` is the canonical text of `gradion.foundation.units.check_unit`.
    """

    unit: str = "1"
    bounds: Bounds | None = None
    prior: AbstractPrior | None = None
    source: str | None = None
    trainable: bool = True

    def __post_init__(self) -> None:
        # "1" is canonical and by far the most frequent: it spares the first use of the unit
        # library, which is imported lazily.
        if self.unit != "1":
            object.__setattr__(self, "unit", check_unit(self.unit))
        object.__setattr__(self, "bounds", parse_bounds(self.bounds))
        if self.prior is not None and not isinstance(self.prior, AbstractPrior):
            raise TypeError(f"Parameter prior: got {self.prior!r}, expected an AbstractPrior")
        if self.source is not None and not isinstance(self.source, str):
            raise TypeError(f"Parameter source: got {self.source!r}, expected text or None")
        if not isinstance(self.trainable, bool):
            raise TypeError(f"Parameter trainable: got {self.trainable!r}, expected a bool")

    def in_unit(self, unit: str, factor: float) -> "ParameterMeta":
        """The same facts for `factor` times the value, stated in `unit`."""
        bounds = None
        if self.bounds is not None:
            bounds = (self.bounds[0] * factor, self.bounds[1] * factor)
        prior = None if self.prior is None else self.prior.scaled(factor)
        return replace(self, unit=unit, bounds=bounds, prior=prior)


def parse_bounds(bounds: object) -> Bounds | None:
    """Bounds as two floats, low < high; None on a side means open, both open means None.

    Raises InputError for anything that is not such a pair.
    """
    if bounds is None:
        return None
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise InputError(f"Parameter bounds {bounds!r}, expected a pair (low, high) or None")
    low = _side(bounds[0], -math.inf, bounds)
    high = _side(bounds[1], math.inf, bounds)
    if not low < high:
        raise InputError(f"Parameter bounds {bounds!r}, expected low < high")
    if math.isinf(low) and math.isinf(high):
        return None
    return (low, high)


def _side(given: object, open_value: float, bounds: object) -> float:
    if given is None:
        return open_value
    try:
        return float(given)  # type: ignore[arg-type]  # the except answers what has no float
    except (TypeError, ValueError):
        raise InputError(f"Parameter bounds {bounds!r}, expected numbers or None") from None
