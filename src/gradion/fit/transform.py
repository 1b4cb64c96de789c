"""Smooth maps between a bounded parameter and an unbounded coordinate of the optimiser."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.module.meta import Bounds

__all__ = [
    "AbstractTransform",
    "Identity",
    "LogAbove",
    "LogBelow",
    "LogLogit",
    "Logit",
    "transform_for",
]

_WIDE_SPAN = 100.0
"""Positive bounds further apart than this factor (2 decades) are spanned in the logarithm."""

# A step of 3 in a logit or a logarithm is a factor of 20: beyond it a linear model of the
# residuals says nothing, and a logit would saturate, from where no gradient leads back.
_STEP_LIMIT = 3.0


class AbstractTransform(ABC):
    """A strictly increasing or decreasing smooth map of all reals onto the inside of bounds."""

    @abstractmethod
    def value(self, z: Float[Array, ""]) -> Float[Array, ""]:
        """The parameter at coordinate `z`; traceable."""

    @abstractmethod
    def coordinate(self, value: float) -> float:
        """The coordinate of a parameter strictly inside the bounds."""

    @abstractmethod
    def step_limit(self) -> float:
        """The longest sensible step in z at once; may be infinite."""

    @abstractmethod
    def is_logarithmic(self) -> bool:
        """Whether z spans the logarithm of the value, or of its distance from the bound."""

    @abstractmethod
    def scattered(self, fraction: float, start: float) -> float:
        """A coordinate for `fraction` in (0, 1), uniform over finite bounds.

        Without two finite bounds there is no uniform spread: the coordinate is then spread
        about that of the value `start` like a logistic variable of scale 1.
        """


@final
@dataclass(frozen=True)
class Identity(AbstractTransform):
    """`value = scale * z`, for a parameter without bounds; `scale` is positive."""

    scale: float = 1.0

    def value(self, z: Float[Array, ""]) -> Float[Array, ""]:
        """See the base."""
        return self.scale * z

    def coordinate(self, value: float) -> float:
        """See the base."""
        return value / self.scale

    def step_limit(self) -> float:
        """See the base."""
        return math.inf

    def is_logarithmic(self) -> bool:
        """See the base."""
        return False

    def scattered(self, fraction: float, start: float) -> float:
        """See the base."""
        return self.coordinate(start) + _logit(fraction)


@final
@dataclass(frozen=True)
class LogAbove(AbstractTransform):
    """`value = low + exp(z)`, for a parameter bounded below."""

    low: float

    def value(self, z: Float[Array, ""]) -> Float[Array, ""]:
        """See the base."""
        return self.low + jnp.exp(z)

    def coordinate(self, value: float) -> float:
        """See the base."""
        return math.log(value - self.low)

    def step_limit(self) -> float:
        """See the base."""
        return _STEP_LIMIT

    def is_logarithmic(self) -> bool:
        """See the base."""
        return True

    def scattered(self, fraction: float, start: float) -> float:
        """See the base."""
        return self.coordinate(start) + _logit(fraction)


@final
@dataclass(frozen=True)
class LogBelow(AbstractTransform):
    """`value = high - exp(z)`, for a parameter bounded above."""

    high: float

    def value(self, z: Float[Array, ""]) -> Float[Array, ""]:
        """See the base."""
        return self.high - jnp.exp(z)

    def coordinate(self, value: float) -> float:
        """See the base."""
        return math.log(self.high - value)

    def step_limit(self) -> float:
        """See the base."""
        return _STEP_LIMIT

    def is_logarithmic(self) -> bool:
        """See the base."""
        return True

    def scattered(self, fraction: float, start: float) -> float:
        """See the base."""
        return self.coordinate(start) + _logit(fraction)


@final
@dataclass(frozen=True)
class Logit(AbstractTransform):
    """`value = low + (high - low) / (1 + exp(-z))`, for a parameter bounded on both sides."""

    low: float
    high: float

    def value(self, z: Float[Array, ""]) -> Float[Array, ""]:
        """See the base."""
        return self.low + (self.high - self.low) * jax.nn.sigmoid(z)

    def coordinate(self, value: float) -> float:
        """See the base."""
        return math.log((value - self.low) / (self.high - value))

    def step_limit(self) -> float:
        """See the base."""
        return _STEP_LIMIT

    def is_logarithmic(self) -> bool:
        """See the base."""
        return False

    def scattered(self, fraction: float, start: float) -> float:
        """See the base."""
        return _logit(fraction)


@final
@dataclass(frozen=True)
class LogLogit(AbstractTransform):
    """A logit in the logarithm of the value, for positive bounds that are decades apart."""

    low: float
    high: float

    def value(self, z: Float[Array, ""]) -> Float[Array, ""]:
        """See the base."""
        span = math.log(self.high / self.low)
        return self.low * jnp.exp(span * jax.nn.sigmoid(z))

    def coordinate(self, value: float) -> float:
        """See the base."""
        return math.log(math.log(value / self.low) / math.log(self.high / value))

    def step_limit(self) -> float:
        """See the base."""
        return _STEP_LIMIT

    def is_logarithmic(self) -> bool:
        """See the base."""
        return True

    def scattered(self, fraction: float, start: float) -> float:
        """See the base."""
        return _logit(fraction)


def transform_for(bounds: Bounds | None, start: float) -> AbstractTransform:
    """The map that suits the bounds.

    A logit between two finite bounds, in the logarithm of the value where the bounds are
    positive and span more than 2 decades; a logarithm at one bound; with none, the value
    over the size of its start.
    """
    low, high = bounds if bounds is not None else (-math.inf, math.inf)
    if math.isfinite(low) and math.isfinite(high):
        if low > 0.0 and high / low > _WIDE_SPAN:
            return LogLogit(low, high)
        return Logit(low, high)
    if math.isfinite(low):
        return LogAbove(low)
    if math.isfinite(high):
        return LogBelow(high)
    return Identity(abs(start) if start != 0.0 else 1.0)


def _logit(fraction: float) -> float:
    return math.log(fraction / (1.0 - fraction))
