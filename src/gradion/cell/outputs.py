"""What a cell model tells about its state."""

from typing import NamedTuple

from jaxtyping import Array, Float

from gradion.cell.models import AbstractCellModel, Overpotentials

__all__ = ["Outputs", "outputs_at"]


class Outputs(NamedTuple):
    """Values at one time, or along a first axis of times."""

    overpotentials: Overpotentials  # [V]
    temperature: Array  # [K]
    x_negative: Array  # stoichiometry [n_r]
    x_positive: Array  # [n_r]
    c_e: Array  # [mol/m^3] [n_x]


def outputs_at(
    model: AbstractCellModel, u: Float[Array, " n"], current: Float[Array, ""]
) -> Outputs:
    """What the model tells about one state `u` under `current` [A]."""
    x_n, x_p = model.stoichiometries(u)
    return Outputs(
        model.overpotentials(u, current),
        model.temperature(u),
        x_n,
        x_p,
        model.salt_concentration(u),
    )
