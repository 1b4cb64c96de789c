"""Modules that hold Modules or Parameters by position or by key."""

from gradion.module.containers.module_dict import ModuleDict
from gradion.module.containers.module_list import ModuleList
from gradion.module.containers.parameter_dict import MissingEntryError, ParameterDict
from gradion.module.containers.parameter_list import ParameterList
from gradion.module.containers.sequential import Sequential

__all__ = [
    "MissingEntryError",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
]
