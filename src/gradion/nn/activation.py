"""A function as a Module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from gradion.module.module import Module

__all__ = ["Activation"]


@final
class Activation(Module):
    """Calls a pure function on its argument, as a place in a Sequential: `Activation(jax.nn.relu)`.

    The function must be hashable and hold no arrays: compiled code knows it by its identity.
    Raises TypeError for what cannot be called, and for a Module, which needs no Activation.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        if isinstance(function, Module) or not callable(function):
            raise TypeError(f"Activation: got {type(function).__name__}, expected a function")
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)

    def extra_repr(self) -> str:
        """The name of the function."""
        return str(getattr(self.function, "__name__", self.function))
