"""Fitting the physical parameters of Modules to data, with uncertainty and identifiability."""

from gradion.fit.checkpoint import has_checkpoint
from gradion.fit.coordinate import Coordinate
from gradion.fit.covariance import CovarianceKind
from gradion.fit.dataset import DataSet, Role
from gradion.fit.fitting import fit
from gradion.fit.identifiability import (
    Direction,
    DroppedParameter,
    Identifiability,
    IdentifiabilityRule,
    Verdict,
    choose_identifiable,
)
from gradion.fit.observable import AbstractObservable
from gradion.fit.optimisers import (
    LBFGS,
    AbstractOptimiser,
    Adam,
    LevenbergMarquardt,
    MultiStart,
)
from gradion.fit.problem import Problem
from gradion.fit.result import DataSetResult, FitResult, ParameterResult, Timings
from gradion.fit.termination import FitError, Iteration, Termination
from gradion.fit.uncertainty import Estimate, Uncertainty, uncertainty_at

__all__ = [
    "AbstractObservable",
    "AbstractOptimiser",
    "Adam",
    "Coordinate",
    "CovarianceKind",
    "DataSet",
    "DataSetResult",
    "Direction",
    "DroppedParameter",
    "Estimate",
    "FitError",
    "FitResult",
    "Identifiability",
    "IdentifiabilityRule",
    "Iteration",
    "LBFGS",
    "LevenbergMarquardt",
    "MultiStart",
    "ParameterResult",
    "Problem",
    "Role",
    "Termination",
    "Timings",
    "Uncertainty",
    "Verdict",
    "choose_identifiable",
    "fit",
    "has_checkpoint",
    "uncertainty_at",
]
