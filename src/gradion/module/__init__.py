"""Parameters, Modules and their state."""

from gradion.module.containers import ModuleList
from gradion.module.editing import LoadResult
from gradion.module.meta import ParameterMeta
from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.module.prior import AbstractPrior, LogNormalPrior, NormalPrior
from gradion.module.state_file import load_state, save_state

__all__ = [
    "AbstractPrior",
    "LoadResult",
    "LogNormalPrior",
    "Module",
    "ModuleList",
    "NormalPrior",
    "Parameter",
    "ParameterMeta",
    "load_state",
    "save_state",
]
