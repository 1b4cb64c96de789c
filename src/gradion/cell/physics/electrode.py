"""A porous electrode of spherical particles."""

from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.cell.physics.kinetics import AbstractKinetics
from gradion.cell.physics.open_circuit import OpenCircuit
from gradion.cell.physics.property import AbstractProperty
from gradion.module import Module, Parameter

__all__ = ["Electrode"]


@final
class Electrode(Module):
    """Geometry, particles, and the laws of one electrode.

    `thickness` [m], `particle_radius` [m], `active_fraction` (volume of active material per
    volume of electrode), `porosity`, `bruggeman` (exponent: electrolyte transport times
    porosity^b), `conductivity` [S/m] of the solid and `bruggeman_electrode` (times
    (1 - porosity)^b), `c_max` [mol/m^3], and
    `initial_stoichiometry` at the start of the discharge.
    """

    def __init__(
        self,
        *,
        thickness: Parameter,
        particle_radius: Parameter,
        active_fraction: Parameter,
        porosity: Parameter,
        bruggeman: Parameter,
        conductivity: Parameter,
        bruggeman_electrode: Parameter,
        c_max: Parameter,
        initial_stoichiometry: Parameter,
        D_s: AbstractProperty,
        kinetics: AbstractKinetics,
        open_circuit: OpenCircuit,
    ) -> None:
        super().__init__()
        self.thickness = thickness
        self.particle_radius = particle_radius
        self.active_fraction = active_fraction
        self.porosity = porosity
        self.bruggeman = bruggeman
        self.conductivity = conductivity
        self.bruggeman_electrode = bruggeman_electrode
        self.c_max = c_max
        self.initial_stoichiometry = initial_stoichiometry
        self.D_s = D_s
        self.kinetics = kinetics
        self.open_circuit = open_circuit

    def surface_area_density(self) -> Float[Array, ""]:
        """Particle surface per electrode volume [1/m]."""
        return jnp.asarray(3.0 * self.active_fraction / self.particle_radius)

    def mean_current_density(self, i_cell: Float[Array, ""]) -> Float[Array, ""]:
        """Particle surface current density [A/m^2] for i_cell [A/m^2] of electrode area."""
        return i_cell / (self.surface_area_density() * self.thickness)

    def effective_conductivity(self) -> Float[Array, ""]:
        """Electronic conductivity of the porous solid [S/m]."""
        return self.conductivity * jnp.power(1.0 - self.porosity, self.bruggeman_electrode)
