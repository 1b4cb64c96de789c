"""Diffusion of lithium in a particle and of salt in the electrolyte."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.foundation.constants import F
from gradion.numerics.mesh import RadialMesh

__all__ = ["particle_rate", "salt_rate", "surface_slope"]


def surface_slope(
    j: Float[Array, ""], D_s: Float[Array, ""], c_max: Float[Array, ""], radius: Float[Array, ""]
) -> Float[Array, ""]:
    """dx/dr over the radius at the surface of a particle, r in radii: -j R_p / (F D_s c_max).

    `j` [A/m^2] leaves the particle, `D_s` [m^2/s], `c_max` [mol/m^3], `radius` [m].
    """
    return -j * radius / (F * D_s * c_max)


def particle_rate(
    mesh: RadialMesh,
    x: Float[Array, " n_r"],
    D_s: Float[Array, " n_r"],
    j: Float[Array, ""],
    c_max: Float[Array, ""],
    radius: Float[Array, ""],
) -> Float[Array, " n_r"]:
    """dx/dt [1/s] of Fick's law in a sphere: storage x, flux -D_s grad x, j / (F c_max) outside.

    `x` [1] are shell averages, `D_s` [m^2/s] their diffusivities, `j` [A/m^2] the current
    density that leaves the surface.
    """
    distances = jnp.array(mesh.centroids[1:] - mesh.centroids[:-1]) * radius
    inner = -0.5 * (D_s[1:] + D_s[:-1]) * (x[1:] - x[:-1]) / distances
    outer = j / (F * c_max)
    flow = jnp.concatenate([jnp.zeros(1), inner, outer[None]]) * jnp.array(mesh.areas)
    return -(flow[1:] - flow[:-1]) / (jnp.array(mesh.volumes) * radius)


def salt_rate(
    widths: Float[Array, " n_x"],
    c_e: Float[Array, " n_x"],
    D_eff: Float[Array, " n_x"],
    source: Float[Array, " n_x"],
    porosity: Float[Array, " n_x"],
) -> Float[Array, " n_x"]:
    """dc_e/dt [mol/m^3/s] = (d/dx (D_eff dc_e/dx) + source) / porosity, no flux at the ends.

    `widths` [m] of the control volumes, `D_eff` [m^2/s] their effective diffusivities, `source`
    [mol/m^3/s]. Half cells in series carry the flux, so that it is exact where layers meet.
    """
    resistance = 0.5 * widths / D_eff
    inner = -(c_e[1:] - c_e[:-1]) / (resistance[1:] + resistance[:-1])
    flux = jnp.concatenate([jnp.zeros(1), inner, jnp.zeros(1)])
    return (-(flux[1:] - flux[:-1]) / widths + source) / porosity
