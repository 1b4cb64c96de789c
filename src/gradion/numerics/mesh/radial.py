"""Spherical shells of a particle."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["RadialMesh"]


@dataclass(frozen=True)
class RadialMesh:
    """`n` spherical shells of the unit ball, thinner towards the surface.

    The faces lie at r(s) for equidistant s, with r smooth, so that the scheme keeps its second
    order while the surface layer of a current step is resolved. `grading` is the ratio of the
    mean shell thickness to that at the surface, at least 1 (equidistant).
    """

    n: int
    grading: float = 8.0

    def __post_init__(self) -> None:
        if self.n < 3:
            raise ValueError(f"a particle needs at least 3 shells, got n={self.n!r}")
        if not 1.0 <= self.grading <= 20.0:
            raise ValueError(f"grading must lie in [1, 20], got {self.grading!r}")

    @property
    def faces(self) -> Float[np.ndarray, " n+1"]:
        """Radii of the faces, from 0 to 1 [n + 1]."""
        s = np.linspace(0.0, 1.0, self.n + 1)
        # dr/ds falls linearly from 2 - 1/grading at the centre to 1/grading at the surface.
        end = 1.0 / self.grading
        return s * (2.0 - end) + s**2 * (end - 1.0)

    @property
    def volumes(self) -> Float[np.ndarray, " n"]:
        """Shell volumes over 4 pi [n]; their sum is 1/3."""
        return np.diff(self.faces**3) / 3.0

    @property
    def areas(self) -> Float[np.ndarray, " n+1"]:
        """Face areas over 4 pi [n + 1]."""
        return self.faces**2

    @property
    def centroids(self) -> Float[np.ndarray, " n"]:
        """Volume-averaged radius of each shell [n]."""
        return np.diff(self.faces**4) / 4.0 / self.volumes

    def mean(self, values: Float[Array, " n"]) -> Float[Array, ""]:
        """Volume average over the ball."""
        return 3.0 * (jnp.array(self.volumes) @ values)

    def surface_value(
        self, values: Float[Array, " n"], slope: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Value at the surface from shell averages and the known slope d/dr there.

        The quadratic through the averages of the two outermost shells with that slope, third
        order in the shell thickness.
        """
        first, second = self._depth_moments()
        # values = v0 - slope * depth + curvature * depth^2, averaged over each of the two shells.
        curvature = (values[-2] - values[-1] + slope * (first[0] - first[1])) / (
            second[0] - second[1]
        )
        return values[-1] + slope * first[1] - curvature * second[1]

    def _depth_moments(self) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
        """Shell averages of the depth 1 - r and of its square, in the two outermost shells."""
        faces, volumes = self.faces[-3:], self.volumes[-2:]
        r1 = np.diff(faces**4) / 4.0 / volumes
        r2 = np.diff(faces**5) / 5.0 / volumes
        return 1.0 - r1, 1.0 - 2.0 * r1 + r2
