"""Scripts that torch and gradion run alike, and adapters for the two.

Importing this package registers all scripts and imports neither library.
"""

from module_cases import (
    assignment,
    backward_hooks,
    copies,
    forward_hooks,
    lazy_modules,
    modes,
    module_containers,
    parameter_containers,
    parametrizations,
    registration_hooks,
    state_hooks,
    states,
    traversals,
)
from module_cases.case import CASES, Case, difference, run

__all__ = [
    "CASES",
    "Case",
    "assignment",
    "backward_hooks",
    "copies",
    "difference",
    "forward_hooks",
    "lazy_modules",
    "modes",
    "module_containers",
    "parameter_containers",
    "parametrizations",
    "registration_hooks",
    "run",
    "state_hooks",
    "states",
    "traversals",
]
