"""Tolerances and limits of an integration."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.numerics.integrate.tableau import ESDIRK43, EsdirkTableau

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How accurate, and how long. All are compile-time constants.

    - `rtol`, `atol`: a step's estimated error stays below atol + rtol |u|, root mean square over
      the unknowns. `atol` is one number, or one for each unknown.
    - `max_steps`: accepted steps that are kept; the solution's memory grows with it.
    - `newton_tolerance`: how far a stage may be from its solution, as a fraction of the step's
      tolerance; 0 converges to round-off.
    - `event_tolerance`: resolution of an event time as a fraction of its step.
    """

    rtol: float = 1e-6
    atol: float | tuple[float, ...] = 1e-8
    max_steps: int = 512
    max_attempts: int = 4096
    newton_tolerance: float = 1e-2
    event_tolerance: float = 1e-12
    event_iterations: int = 60
    tableau: EsdirkTableau = ESDIRK43

    def __post_init__(self) -> None:
        atols = self.atol if isinstance(self.atol, tuple) else (self.atol,)
        if not 1e-13 <= self.rtol < 1:
            raise ValueError(f"rtol must lie in [1e-13, 1), got {self.rtol!r}")
        if not all(x > 0 for x in atols):
            raise ValueError(f"atol must be positive, got {self.atol!r}")
        if self.max_steps < 1 or self.max_attempts < self.max_steps:
            raise ValueError(
                "expected 1 <= max_steps <= max_attempts, got "
                f"max_steps={self.max_steps!r}, max_attempts={self.max_attempts!r}"
            )

    def weights(self, u0: Float[Array, " n"], u1: Float[Array, " n"]) -> Float[Array, " n"]:
        """1 / (atol + rtol max(|u0|, |u1|)) [n]."""
        size = jnp.maximum(jnp.abs(u0), jnp.abs(u1))
        return 1.0 / (jnp.asarray(self.atol) + self.rtol * size)
