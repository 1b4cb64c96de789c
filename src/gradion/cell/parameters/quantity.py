"""A number or a function of a cell, in SI, with its unit and its source."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable

import jax

from gradion.foundation.formula import Formula
from gradion.module import Module
from gradion.numerics.interpolate import CubicSpline, MonotoneSpline, checked_table

__all__ = ["FunctionQuantity", "Interpolation", "Quantity", "Table", "TableOfFirst"]


class Interpolation(enum.Enum):
    """What joins the points of a table."""

    MONOTONE = "monotone"
    """`gradion.numerics.interpolate.MonotoneSpline`."""
    CUBIC = "cubic"
    """`gradion.numerics.interpolate.CubicSpline`, where the set was made with it."""


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A number in SI units.

    ``bounds`` are the least and the greatest sensible value, in the same unit, for a fit.
    Raises ValueError if the number is not finite or outside its bounds.
    """

    value: float
    unit: str
    source: str
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse what no fit could start from."""
        if not math.isfinite(self.value):
            raise ValueError(f"value: got {self.value!r}, expected a finite number")
        if self.bounds is None:
            return
        low, high = self.bounds
        if not low < high:
            raise ValueError(f"bounds: got {self.bounds}, expected the lower one first")
        if not low <= self.value <= high:
            unit = "" if self.unit == "1" else f" {self.unit}"
            raise ValueError(f"got {self.value:g}{unit}, expected {low:g} to {high:g}{unit}")


@dataclasses.dataclass(frozen=True)
class Table:
    """Points of a function of one variable, and what joins them.

    Raises ValueError if x does not increase, if a number is not finite, or if there are fewer than
    two points.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    interpolation: Interpolation = Interpolation.MONOTONE

    def __post_init__(self) -> None:
        """Refuse a bad table here, and not when a spline is made of it."""
        checked_table(self.x, self.y)

    def spline(self) -> MonotoneSpline | CubicSpline:
        """Return the Module through the points."""
        if self.interpolation is Interpolation.CUBIC:
            return CubicSpline(self.x, self.y)
        return MonotoneSpline(self.x, self.y)


@dataclasses.dataclass(frozen=True)
class FunctionQuantity:
    """A function in SI units of the declared variables.

    Variables are ``x``, the stoichiometry [1]; ``c_e``, the salt concentration [mol/m^3]; ``T``,
    the temperature [K]. A table is a function of the first of them.
    Raises ValueError if a formula declares other variables.
    """

    function: Formula | Table
    unit: str
    source: str
    variables: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a formula that would take other arguments than `as_callable` promises."""
        if isinstance(self.function, Formula) and self.function.variables != self.variables:
            raise ValueError(
                f"variables: got {self.variables}, expected those of the formula, "
                f"{self.function.variables}"
            )

    def as_callable(self) -> Callable[..., jax.Array]:
        """Return what computes it: a `Formula`, or a Module for a table.

        It takes exactly the declared variables, in their order, whether it uses them or not.
        """
        if isinstance(self.function, Formula):
            return self.function
        spline = self.function.spline()
        return spline if len(self.variables) == 1 else TableOfFirst(spline)


class TableOfFirst(Module):
    """A table as a function of several variables, of which only the first counts."""

    def __init__(self, spline: MonotoneSpline | CubicSpline) -> None:
        super().__init__()
        self.spline = spline

    def forward(self, first: jax.Array, *_others: jax.Array) -> jax.Array:
        """Return the spline at the first argument, in its shape."""
        return self.spline(first)
