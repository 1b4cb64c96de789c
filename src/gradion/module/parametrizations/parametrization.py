"""What a Parameter may be expressed through."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import jax

from gradion.module.meta import ParameterMeta
from gradion.module.module import Module

__all__ = ["AbstractParametrization"]


class AbstractParametrization(Module):
    """A map from what is stored (the original) to the value, and back.

    Any Module with a `forward` may parametrise; one of these also says what is known of the
    original, so that units and bounds stay true.
    """

    @abstractmethod
    def forward(self, *originals: jax.Array) -> jax.Array:
        """The value, from one original or several."""

    @abstractmethod
    def right_inverse(self, value: jax.Array) -> Any:
        """An original, or a tuple of several, that `forward` maps to this value.

        Raises InputError for a value that none is mapped to.
        """

    @abstractmethod
    def original_meta(self, meta: ParameterMeta) -> ParameterMeta:
        """Unit, bounds, prior and source of the original, given those of the value."""
