"""Optimisers: one step at a time, from a state of arrays to the next."""

from gradion.fit.optimisers.adam import Adam
from gradion.fit.optimisers.lbfgs import LBFGS
from gradion.fit.optimisers.levenberg_marquardt import LevenbergMarquardt
from gradion.fit.optimisers.multi_start import MultiStart
from gradion.fit.optimisers.optimiser import AbstractOptimiser

__all__ = ["Adam", "AbstractOptimiser", "LBFGS", "LevenbergMarquardt", "MultiStart"]
