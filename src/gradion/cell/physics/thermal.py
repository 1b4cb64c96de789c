"""Temperature of a cell."""

import abc
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.module import Module, Parameter

__all__ = ["AbstractThermal", "Isothermal", "LumpedThermal"]


class AbstractThermal(Module, abc.ABC):
    """How the cell's temperature [K] evolves; owns the ambient and the initial one."""

    @property
    @abc.abstractmethod
    def is_dynamic(self) -> bool:
        """Whether the temperature is an unknown."""

    @abc.abstractmethod
    def initial_temperature(self) -> Float[Array, ""]:
        """Temperature at the start [K]."""

    @abc.abstractmethod
    def rate(self, T: Float[Array, ""], heat: Float[Array, ""]) -> Float[Array, ""]:
        """dT/dt [K/s] at temperature T [K] with `heat` [W] produced."""


@final
class Isothermal(AbstractThermal):
    """Always at the ambient temperature."""

    def __init__(self, T_ambient: Parameter) -> None:
        super().__init__()
        self.T_ambient = T_ambient

    @property
    def is_dynamic(self) -> bool:
        return False

    def initial_temperature(self) -> Float[Array, ""]:
        return self.T_ambient

    def rate(self, T: Float[Array, ""], heat: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.zeros_like(T)


@final
class LumpedThermal(AbstractThermal):
    """One temperature: C dT/dt = heat - h A (T - T_ambient).

    `heat_capacity` C [J/K] of the whole cell, `h` [W/m^2/K], `cooling_area` A [m^2].
    """

    def __init__(
        self,
        *,
        T_ambient: Parameter,
        T_initial: Parameter,
        heat_capacity: Parameter,
        h: Parameter,
        cooling_area: Parameter,
    ) -> None:
        super().__init__()
        self.T_ambient = T_ambient
        self.T_initial = T_initial
        self.heat_capacity = heat_capacity
        self.h = h
        self.cooling_area = cooling_area

    @property
    def is_dynamic(self) -> bool:
        return True

    def initial_temperature(self) -> Float[Array, ""]:
        return self.T_initial

    def rate(self, T: Float[Array, ""], heat: Float[Array, ""]) -> Float[Array, ""]:
        return (heat - self.h * self.cooling_area * (T - self.T_ambient)) / self.heat_capacity
