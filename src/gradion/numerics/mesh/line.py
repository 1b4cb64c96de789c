"""Consecutive layers of a sandwich, each cut into equal control volumes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

__all__ = ["LineMesh"]


@dataclass(frozen=True)
class LineMesh:
    """`counts[k]` equal control volumes in layer k.

    Thicknesses are not part of the mesh: they are parameters of a model, and a derivative with
    respect to one is taken at fixed volume fractions.
    """

    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 2:
            raise ValueError(f"each layer needs at least 2 control volumes, got {self.counts!r}")

    @property
    def n(self) -> int:
        """Number of control volumes."""
        return sum(self.counts)

    @property
    def layer(self) -> Int[np.ndarray, " n"]:
        """Layer index of each control volume [n]."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def fractions(self) -> Float[np.ndarray, " n"]:
        """Width of each control volume as a fraction of its layer [n]."""
        return np.repeat([1.0 / c for c in self.counts], self.counts)

    def layer_slice(self, k: int) -> slice:
        """The control volumes of layer k."""
        start = sum(self.counts[:k])
        return slice(start, start + self.counts[k])
