"""What SPM and SPMe share: two particles and the temperature."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.cell.models.cell import Cell
from gradion.cell.models.model import Overpotentials
from gradion.cell.physics import Electrode, particle_rate, surface_slope
from gradion.foundation.constants import F
from gradion.numerics.mesh import RadialMesh

__all__ = [
    "Surface",
    "heat",
    "mean_salt_sources",
    "particle_rates",
    "solid_ohmic",
    "surfaces",
]


class Surface(NamedTuple):
    """The representative particle of one electrode at its surface."""

    x: Float[Array, ""]  # stoichiometry
    j: Float[Array, ""]  # current density [A/m^2], positive for oxidation


def _current_densities(cell: Cell, current: Float[Array, ""]) -> tuple[Array, Array]:
    """Mean current density of both electrodes' particles [A/m^2]: out of one, into the other."""
    i_cell = current / cell.area
    return (
        cell.negative.mean_current_density(i_cell),
        -cell.positive.mean_current_density(i_cell),
    )


def particle_rates(
    cell: Cell,
    mesh: RadialMesh,
    x_n: Float[Array, " n_r"],
    x_p: Float[Array, " n_r"],
    T: Float[Array, ""],
    current: Float[Array, ""],
) -> tuple[Float[Array, " n_r"], Float[Array, " n_r"]]:
    """dx/dt [1/s] in the two particles."""

    def rate(electrode: Electrode, x: Array, j: Array) -> Array:
        D_s = electrode.D_s(x, T)
        return particle_rate(mesh, x, D_s, j, electrode.c_max, electrode.particle_radius)

    j_n, j_p = _current_densities(cell, current)
    return rate(cell.negative, x_n, j_n), rate(cell.positive, x_p, j_p)


def surfaces(
    cell: Cell,
    mesh: RadialMesh,
    x_n: Float[Array, " n_r"],
    x_p: Float[Array, " n_r"],
    T: Float[Array, ""],
    current: Float[Array, ""],
) -> tuple[Surface, Surface]:
    """Both electrodes' surfaces."""

    def surface(electrode: Electrode, x: Array, j: Array) -> Surface:
        D_s = electrode.D_s(x[-1], T)
        slope = surface_slope(j, D_s, electrode.c_max, electrode.particle_radius)
        return Surface(mesh.surface_value(x, slope), j)

    j_n, j_p = _current_densities(cell, current)
    return surface(cell.negative, x_n, j_n), surface(cell.positive, x_p, j_p)


def heat(
    cell: Cell,
    negative: Surface,
    positive: Surface,
    T: Float[Array, ""],
    current: Float[Array, ""],
    parts: Overpotentials,
) -> Float[Array, ""]:
    """Heat produced [W]: I (U - V) of all losses, and I T d(U_n - U_p)/dT, reversible.

    Heat of mixing is left out (Bernardi et al., J. Electrochem. Soc. 132 (1985) 5).
    """
    dU_dT = cell.positive.open_circuit.entropy(positive.x) - cell.negative.open_circuit.entropy(
        negative.x
    )
    return current * (parts.open_circuit - parts.voltage()) - current * T * dU_dT


def mean_salt_sources(cell: Cell, current: Float[Array, ""]) -> tuple[Array, Array]:
    """Salt that the reactions add, per electrode volume [mol/m^3/s], negative and positive."""
    flux = (1.0 - cell.electrolyte.t_plus) * current / (F * cell.area)
    return flux / cell.negative.thickness, -flux / cell.positive.thickness


def solid_ohmic(cell: Cell, current: Float[Array, ""]) -> Float[Array, ""]:
    """Mean ohmic loss of the electrodes' solids [V] for a reaction uniform over the thickness."""
    parts = [e.thickness / e.effective_conductivity() for e in (cell.negative, cell.positive)]
    return -current / cell.area * jnp.sum(jnp.stack(parts)) / 3.0
