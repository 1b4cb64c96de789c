"""Where the values of a model's profiles are, for output."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gradion.cell.models import SPM, AbstractCellModel, Cell, SPMe
from gradion.numerics.mesh import RadialMesh

__all__ = ["ProfilePositions", "profile_positions"]


class ProfilePositions(NamedTuple):
    """Mean radius of each shell and centre of each control volume of the electrolyte, all [m]."""

    r_negative: Float[np.ndarray, " n_r"]
    r_positive: Float[np.ndarray, " n_r"]
    x: Float[np.ndarray, " n_x"]  # from the negative collector on


@functools.singledispatch
def profile_positions(model: AbstractCellModel) -> ProfilePositions:
    """The positions of a model's profiles. Raises TypeError for a model without a rule."""
    raise TypeError(f"profile_positions: no rule for a {type(model).__name__}")


@profile_positions.register
def _(model: SPM) -> ProfilePositions:
    # The electrolyte is uniform: one value, given at the middle.
    middle = np.array([0.5 * np.sum(_thicknesses(model.cell))])
    return ProfilePositions(*_radii(model.mesh, model.cell), middle)


@profile_positions.register
def _(model: SPMe) -> ProfilePositions:
    widths = _thicknesses(model.cell)[model.line.layer] * model.line.fractions
    return ProfilePositions(*_radii(model.mesh, model.cell), np.cumsum(widths) - 0.5 * widths)


def _radii(mesh: RadialMesh, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    return (
        mesh.centroids * float(cell.negative.particle_radius),
        mesh.centroids * float(cell.positive.particle_radius),
    )


def _thicknesses(cell: Cell) -> Float[np.ndarray, "3"]:
    layers = (cell.negative, cell.separator, cell.positive)
    return np.array([float(layer.thickness) for layer in layers])
