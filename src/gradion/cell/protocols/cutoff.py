"""Limits that end a run."""

import abc
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.cell.models import AbstractCellModel

__all__ = ["AbstractCutoff", "LowerVoltage", "UpperTemperature"]


class AbstractCutoff(abc.ABC):
    """A limit on a quantity of the cell; the run ends where the margin falls to zero."""

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """What is limited, for messages."""

    @property
    @abc.abstractmethod
    def unit(self) -> str:
        """Unit of the limit and the margin."""

    @abc.abstractmethod
    def limit_of(self, model: AbstractCellModel) -> Float[Array, ""]:
        """The limit for this model, in `unit`."""

    @staticmethod
    @abc.abstractmethod
    def margin(
        model: AbstractCellModel,
        u: Float[Array, " n"],
        current: Float[Array, ""],
        limit: Float[Array, ""],
    ) -> Float[Array, ""]:
        """Distance to the limit, positive before it; `u` the unknowns, `current` [A]."""


@final
@dataclass(frozen=True)
class LowerVoltage(AbstractCutoff):
    """Ends where the terminal voltage falls to `limit` [V], by default the cell's own."""

    limit: float | None = None

    @property
    def label(self) -> str:
        return "lower voltage limit"

    @property
    def unit(self) -> str:
        return "V"

    def limit_of(self, model: AbstractCellModel) -> Float[Array, ""]:
        return model.cell.lower_voltage if self.limit is None else jnp.asarray(self.limit, float)

    @staticmethod
    def margin(
        model: AbstractCellModel,
        u: Float[Array, " n"],
        current: Float[Array, ""],
        limit: Float[Array, ""],
    ) -> Float[Array, ""]:
        return model.overpotentials(u, current).voltage() - limit


@final
@dataclass(frozen=True)
class UpperTemperature(AbstractCutoff):
    """Ends where the cell has warmed up to `limit` [K]."""

    limit: float

    @property
    def label(self) -> str:
        return "upper temperature limit"

    @property
    def unit(self) -> str:
        return "K"

    def limit_of(self, model: AbstractCellModel) -> Float[Array, ""]:
        return jnp.asarray(self.limit, float)

    @staticmethod
    def margin(
        model: AbstractCellModel,
        u: Float[Array, " n"],
        current: Float[Array, ""],  # noqa: ARG004  the base says so
        limit: Float[Array, ""],
    ) -> Float[Array, ""]:
        return limit - model.temperature(u)
