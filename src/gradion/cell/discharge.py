"""A cell under constant current as a system of equations."""

from typing import NamedTuple

from jaxtyping import Array, Float

from gradion.cell.models import AbstractCellModel

__all__ = ["DischargeInput", "discharge_rate"]


class DischargeInput(NamedTuple):
    """All numbers that a discharge depends on: its derivatives are with respect to these."""

    model: AbstractCellModel
    current: Float[Array, ""]  # [A]
    limits: tuple[Float[Array, ""], ...] = ()  # one a cut-off, in its unit


def discharge_rate(_t: Array, u: Array, theta: DischargeInput, _phase: Array) -> Array:
    """du/dt [1/s]: the right-hand side in the form that the integrator takes."""
    return theta.model.rate(u, theta.current)
