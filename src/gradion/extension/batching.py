"""How an operator is mapped over examples: one call after the other, or a batch axis of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

__all__ = ["AbstractBatching", "LeadingAxis", "Sequential"]


class AbstractBatching(ABC):
    """What `jax.vmap` does with the targets of an operator."""

    @property
    @abstractmethod
    def has_axis(self) -> bool:
        """Whether every buffer of every target has one leading axis of examples."""


@final
@dataclass(frozen=True)
class Sequential(AbstractBatching):
    """One call an example, in a compiled loop: any target can be mapped so."""

    @property
    def has_axis(self) -> bool:
        """False: the target knows nothing of batches."""
        return False


@final
@dataclass(frozen=True)
class LeadingAxis(AbstractBatching):
    """The targets take all examples in one call.

    Every buffer of every target, arguments and results, has one axis more than is declared, at
    the front: the examples, 1 where nothing is mapped. Nested maps arrive as one axis. What is
    not mapped is repeated for each example.
    """

    @property
    def has_axis(self) -> bool:
        """True: the axis is always there, so that a handler has one rank for every use."""
        return True
