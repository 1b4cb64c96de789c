"""Coefficients of the one-step methods."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float

__all__ = ["ESDIRK43", "EsdirkTableau"]


@dataclass(frozen=True)
class EsdirkTableau:
    """A stiffly accurate ESDIRK method: first stage explicit, one diagonal value `gamma`.

    `a` holds the rows of the Butcher matrix, the last row being the weights `b`; `b_embedded`
    are the weights of the lower-order solution that estimates the error.
    """

    a: tuple[tuple[Fraction, ...], ...]
    b_embedded: tuple[Fraction, ...]
    order: int
    embedded_order: int

    @property
    def stages(self) -> int:
        return len(self.a)

    @property
    def gamma(self) -> float:
        return float(self.a[-1][-1])

    @property
    def matrix(self) -> Float[np.ndarray, "s s"]:
        """Butcher matrix [s, s], zero above the diagonal."""
        rows = [[float(x) for x in row] + [0.0] * (self.stages - len(row)) for row in self.a]
        return np.array(rows)

    @property
    def nodes(self) -> Float[np.ndarray, " s"]:
        """Stage times as fractions of the step [s]."""
        return np.array([float(sum(row)) for row in self.a])

    @property
    def error_weights(self) -> Float[np.ndarray, " s"]:
        """b - b_embedded [s]."""
        b = [*self.a[-1]]
        return np.array([float(x - y) for x, y in zip(b, self.b_embedded, strict=True)])


_G = Fraction(1, 4)

# Kennedy and Carpenter, Appl. Numer. Math. 44 (2003) 139, the implicit part of ARK4(3)6L[2]SA:
# order 4, embedded 3, stage order 2, L-stable in both weights.
ESDIRK43 = EsdirkTableau(
    a=(
        (Fraction(0),),
        (_G, _G),
        (Fraction(8611, 62500), Fraction(-1743, 31250), _G),
        (Fraction(5012029, 34652500), Fraction(-654441, 2922500), Fraction(174375, 388108), _G),
        (
            Fraction(15267082809, 155376265600),
            Fraction(-71443401, 120774400),
            Fraction(730878875, 902184768),
            Fraction(2285395, 8070912),
            _G,
        ),
        (
            Fraction(82889, 524892),
            Fraction(0),
            Fraction(15625, 83664),
            Fraction(69875, 102672),
            Fraction(-2260, 8211),
            _G,
        ),
    ),
    b_embedded=(
        Fraction(4586570599, 29645900160),
        Fraction(0),
        Fraction(178811875, 945068544),
        Fraction(814220225, 1159782912),
        Fraction(-3700637, 11593932),
        Fraction(61727, 225920),
    ),
    order=4,
    embedded_order=3,
)
