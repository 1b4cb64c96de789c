"""What is believed about a Parameter before it meets data: prior densities."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self, final

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from gradion.foundation.errors import InputError

__all__ = ["AbstractPrior", "LogNormalPrior", "NormalPrior"]

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class AbstractPrior(ABC):
    """A prior density over a Parameter's value; immutable, compared and hashed by content."""

    @abstractmethod
    def log_density(self, value: ArrayLike) -> jax.Array:
        """Natural logarithm of the density at `value`, elementwise.

        `value` has the Parameter's shape and unit; the density is per that unit.
        """

    @abstractmethod
    def scaled(self, factor: float) -> Self:
        """The same belief about `factor` times the value (a change of unit)."""


@final
@dataclass(frozen=True)
class NormalPrior(AbstractPrior):
    """Gaussian prior: mean and standard deviation, both in the Parameter's unit.

    Raises InputError if `mean` is not finite or `std` is not positive and finite.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        _make_float(self, "mean", positive=False)
        _make_float(self, "std", positive=True)

    def log_density(self, value: ArrayLike) -> jax.Array:
        """`-((value - mean) / std)**2 / 2 - ln(std sqrt(2 pi))`, elementwise."""
        z = (jnp.asarray(value) - self.mean) / self.std
        return -0.5 * z**2 - (math.log(self.std) + _HALF_LOG_TWO_PI)

    def scaled(self, factor: float) -> "NormalPrior":
        """The prior of `factor * value`."""
        return NormalPrior(mean=self.mean * factor, std=self.std * abs(factor))


@final
@dataclass(frozen=True)
class LogNormalPrior(AbstractPrior):
    """Log-normal prior: `ln(value)` is Gaussian about `ln(median)` with width `sigma`.

    `median` is in the Parameter's unit, `sigma` is dimensionless. The density is per unit of
    value (the factor 1/value is in it) and zero for value <= 0, where `log_density` is -inf.
    Raises InputError if `median` or `sigma` is not positive and finite.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        _make_float(self, "median", positive=True)
        _make_float(self, "sigma", positive=True)

    def log_density(self, value: ArrayLike) -> jax.Array:
        """`-(ln(value / median) / sigma)**2 / 2 - ln(value sigma sqrt(2 pi))`, elementwise."""
        value = jnp.asarray(value)
        # Guards the gradient outside the support: without it the unused branch gives nan there.
        inside = value > 0
        log_value = jnp.log(jnp.where(inside, value, 1.0))
        z = (log_value - math.log(self.median)) / self.sigma
        density = -0.5 * z**2 - log_value - (math.log(self.sigma) + _HALF_LOG_TWO_PI)
        return jnp.where(inside, density, -jnp.inf)

    def scaled(self, factor: float) -> "LogNormalPrior":
        """The prior of `factor * value`; `factor` must be positive."""
        return LogNormalPrior(median=self.median * factor, sigma=self.sigma)


def _make_float(prior: AbstractPrior, name: str, *, positive: bool) -> None:
    """Replace a field by its float, so that 1 and 1.0 are the same prior, and check it."""
    given = getattr(prior, name)
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        expected = "a positive finite number" if positive else "a finite number"
        raise InputError(f"{type(prior).__name__}: {name} is {given!r}, expected {expected}")
    object.__setattr__(prior, name, number)
