"""Discharge at one current."""

import math
from dataclasses import dataclass
from typing import Self, final

from gradion.cell.models import Cell
from gradion.foundation.errors import InputError

__all__ = ["ConstantCurrent"]


@final
@dataclass(frozen=True)
class ConstantCurrent:
    """A discharge at `current` [A], positive.

    Raises InputError for a current that is zero, negative or not finite.
    """

    current: float

    def __post_init__(self) -> None:
        current = float(self.current)
        if not math.isfinite(current) or current <= 0.0:
            raise InputError(
                f"current: got {current:g} A",
                mend="expected a positive one: a discharge has a positive current here",
            )
        object.__setattr__(self, "current", current)

    @classmethod
    def at_c_rate(cls, cell: Cell, c_rate: float) -> Self:
        """The current that empties the nominal capacity of `cell` in 1/c_rate hours.

        Raises InputError for a rate that is zero, negative or not finite.
        """
        if not math.isfinite(c_rate) or c_rate <= 0.0:
            raise InputError(f"C-rate: got {c_rate:g}", mend="expected a positive number")
        return cls(current=c_rate * float(cell.nominal_capacity))
