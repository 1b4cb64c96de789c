"""How a session runs what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import jax
from jax.sharding import Sharding

from gradion.graph.passes import BACK_END_PASSES, Pass

__all__ = ["SessionConfig"]


@final
@dataclass(frozen=True)
class SessionConfig:
    """How steps are made, where they run, and how many are kept.

    `device` is a device or a sharding of JAX, None for JAX's default device. `passes` change a
    step's graph before it is compiled; with `()` it is compiled as it is. `keep_executables` says
    whether compiled steps are kept on disk for later processes (`gradion.graph.xla`). At most
    `most_steps` steps stay in memory, the ones made last; a step is a set of fetches and feeds with
    their sizes.

    Raises ValueError if `most_steps` is below 1.
    """

    device: jax.Device | Sharding | None = None
    passes: Sequence[Pass] = BACK_END_PASSES
    keep_executables: bool = True
    most_steps: int = 256

    def __post_init__(self) -> None:
        """Check the number of steps."""
        if self.most_steps < 1:
            raise ValueError(f"most_steps: got {self.most_steps}, expected at least 1")
