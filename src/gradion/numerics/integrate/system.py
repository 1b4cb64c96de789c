"""What is integrated: a system of equations, and the events that end or switch it."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gradion.numerics.linear import AbstractStructure, Dense

__all__ = ["Crossing", "Event", "System"]


class Crossing(enum.Enum):
    """Which sign change of an event function counts."""

    FALLING = -1
    EITHER = 0
    RISING = 1


@dataclass(frozen=True)
class Event:
    """A scalar condition that ends the integration or switches its phase.

    `function(t, u, theta)` is watched while `phase` is active and fires where it crosses zero as
    `crossing` says. Then the integration goes on in `next_phase`, with the differential unknowns
    continuous and the algebraic ones made consistent anew, or stops if that is None.
    """

    function: Callable[[Array, Array, Any], Array]
    phase: int = 0
    next_phase: int | None = None
    crossing: Crossing = Crossing.FALLING


@dataclass(frozen=True)
class System:
    """M(u) du/dt = f(t, u, theta) of index 0 or 1, in one or several phases.

    - `rhs(t, u, theta, phase)` returns f [n]; `phase` is an int32 array, constant between events.
    - `mass(u, k, theta)` returns M(u) k [n], linear in k; None is the identity on the
      differential unknowns.
    - `algebraic` marks the unknowns without a time derivative: their column of M is zero, and as
      many rows of M are zero. With `mass=None` the marked rows are the algebraic equations.
    - `structure` says where the Jacobian's nonzeros are.

    All functions are pure and hashable by identity: module-level functions, so that two systems
    made from them compare equal and compile once. Everything that may change between solves or
    be differentiated is in the pytree `theta`.
    """

    rhs: Callable[[Array, Array, Any, Array], Array]
    mass: Callable[[Array, Array, Any], Array] | None = None
    algebraic: tuple[bool, ...] | None = None
    events: tuple[Event, ...] = ()
    structure: AbstractStructure = field(default_factory=Dense)

    @property
    def has_algebraic(self) -> bool:
        return self.algebraic is not None and any(self.algebraic)

    @property
    def is_explicit(self) -> bool:
        """Whether the slopes are f itself: no mass matrix and nothing algebraic."""
        return self.mass is None and not self.has_algebraic

    def differential_mask(self, n: int) -> Bool[np.ndarray, " n"]:
        """True where an unknown has a time derivative [n]."""
        if self.algebraic is None:
            return np.ones(n, bool)
        return ~np.array(self.algebraic)

    def residual(
        self,
        t: Float[Array, ""],
        u: Float[Array, " n"],
        k: Float[Array, " n"],
        theta: Any,
        phase: Int[Array, ""],
    ) -> Float[Array, " n"]:
        """M(u) k - f(t, u, theta), with k = du/dt of the differential unknowns and else 0."""
        storage = k if self.mass is None else self.mass(u, k, theta)
        return storage - self.rhs(t, u, theta, phase)

    def event_values(
        self, t: Float[Array, ""], u: Float[Array, " n"], theta: Any
    ) -> Float[Array, " events"]:
        """All event functions [events]."""
        return jnp.stack([jnp.asarray(e.function(t, u, theta), u.dtype) for e in self.events])
