"""The cell as a Module."""

import jax

from gradion import Module, Parameter, nn
from lltm.cell import lltm_cell

__all__ = ["LLTM"]


class LLTM(Module):
    """`gradion.nn.LLTM` by C++: the same Parameters, so that each loads the other's state."""

    def __init__(self, input_features: int, state_size: int, *, key: jax.Array) -> None:
        super().__init__()
        plain = nn.LLTM(input_features, state_size, key=key)
        self.weight = Parameter(plain.weight)
        self.bias = Parameter(plain.bias)

    def forward(self, x, state):
        return lltm_cell(self.weight, self.bias, x, *state)
