"""Material properties that depend on composition and, by Arrhenius, on temperature."""

import abc
from collections.abc import Callable
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.foundation.constants import R
from gradion.module import Module, Parameter

__all__ = [
    "AbstractProperty",
    "ConstantProperty",
    "FormulaFunction",
    "FunctionProperty",
    "arrhenius",
]


def arrhenius(
    activation_energy: Float[Array, ""], T: Float[Array, ""], T_ref: Float[Array, ""]
) -> Float[Array, ""]:
    """exp(E_a / R (1 / T_ref - 1 / T)): E_a [J/mol], T [K]; grows with T."""
    return jnp.exp(activation_energy / R * (1.0 / T_ref - 1.0 / T))


class AbstractProperty(Module, abc.ABC):
    """A material property as a function of composition and temperature."""

    @abc.abstractmethod
    def forward(self, composition: Array, T: Float[Array, ""]) -> Array:
        """The property at a composition (any shape) and a temperature [K]."""


@final
class ConstantProperty(AbstractProperty):
    """The same at all compositions: `value` at T_ref, with an activation energy."""

    def __init__(self, value: Parameter, *, activation_energy: Parameter, T_ref: Parameter) -> None:
        super().__init__()
        self.value = value
        self.activation_energy = activation_energy
        self.T_ref = T_ref

    def forward(self, composition: Array, T: Float[Array, ""]) -> Array:
        value = self.value * arrhenius(self.activation_energy, T, self.T_ref)
        return value * jnp.ones_like(composition)


@final
class FunctionProperty(AbstractProperty):
    """`scale` times a function of composition at T_ref, with an activation energy.

    `scale` (1 as published) is what a fit moves when the function's shape is trusted. With
    `takes_temperature` the function is called with (composition, T), as tables of electrolytes
    are often given, and else with the composition alone.
    """

    def __init__(
        self,
        function: Module,
        *,
        activation_energy: Parameter,
        T_ref: Parameter,
        scale: Parameter,
        takes_temperature: bool = False,
    ) -> None:
        super().__init__()
        self.function = function
        self.takes_temperature = takes_temperature
        self.scale = scale
        self.activation_energy = activation_energy
        self.T_ref = T_ref

    def forward(self, composition: Array, T: Float[Array, ""]) -> Array:
        factor = self.scale * arrhenius(self.activation_energy, T, self.T_ref)
        arguments = (composition, T) if self.takes_temperature else (composition,)
        return factor * self.function(*arguments)


@final
class FormulaFunction(Module):
    """A formula, or any hashable function, as a Module; it is structure, not a parameter."""

    def __init__(self, formula: Callable[..., Array]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, *arguments: Array) -> Array:
        return self.formula(*arguments)
