"""Splines through tabulated values, differentiable, with linear extrapolation."""

from gradion.numerics.interpolate.cubic_spline import CubicSpline
from gradion.numerics.interpolate.hermite import checked_table
from gradion.numerics.interpolate.monotone_spline import MonotoneSpline

__all__ = ["CubicSpline", "MonotoneSpline", "checked_table"]
