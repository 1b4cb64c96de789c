"""What a fit compares with data: a prediction made from a Module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Array, Float

from gradion.module import Module

__all__ = ["AbstractObservable"]


class AbstractObservable(ABC):
    """A quantity that a Module predicts at given inputs.

    A concrete observable is either a frozen dataclass of settings, compared and hashed by
    content, or a Module (which may hold arrays). Data sets whose observables are equal, and
    whose inputs have equal shapes, are evaluated by one copy of the model in the compiled
    program.
    """

    @abstractmethod
    def predict(self, module: Module, inputs: Any) -> Float[Array, " points"]:
        """The prediction at every point of one data set, in the observable's unit.

        `inputs` is the pytree of arrays of the data set. Called under jit, jvp, vjp and scan,
        so it must be a pure JAX function of arrays in both arguments. A prediction that cannot
        be made is nan, never an exception.
        """
