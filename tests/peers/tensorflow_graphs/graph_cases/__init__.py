"""Programs of graphs that TensorFlow 1 and gradion run alike, each written twice.

Importing this package registers all cases and imports no TensorFlow.
"""

from graph_cases import (
    arithmetic,
    arrays,
    checks,
    control_flow,
    feeds,
    fetches,
    gradients,
    importing,
    names,
    pruning,
    sessions,
    sizes,
    training,
    variables,
)
from graph_cases.case import CASES, AbstractProgram, Case, run_gradion, run_tensorflow
from graph_cases.outcome import difference, plain

__all__ = [
    "CASES",
    "AbstractProgram",
    "Case",
    "arithmetic",
    "arrays",
    "checks",
    "control_flow",
    "difference",
    "feeds",
    "fetches",
    "gradients",
    "importing",
    "names",
    "plain",
    "pruning",
    "run_gradion",
    "run_tensorflow",
    "sessions",
    "sizes",
    "training",
    "variables",
]
