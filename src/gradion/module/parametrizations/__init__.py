"""Parameters expressed through others, as a bound or a symmetry is."""

from gradion.module.parametrizations.bounded import Bounded
from gradion.module.parametrizations.parametrization import AbstractParametrization
from gradion.module.parametrizations.parametrization_list import ParametrizationList
from gradion.module.parametrizations.parametrize import (
    register_parametrization,
    remove_parametrizations,
)
from gradion.module.parametrizations.positive import Positive
from gradion.module.parametrizations.symmetric import Symmetric
from gradion.module.parametrized import cached, is_parametrized

__all__ = [
    "AbstractParametrization",
    "Bounded",
    "ParametrizationList",
    "Positive",
    "Symmetric",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]
