"""The single particle model."""

from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from gradion.cell.models.cell import Cell
from gradion.cell.models.lumped_temperature import (
    initial_unknown,
    temperature_of,
    unknown_rate,
)
from gradion.cell.models.model import AbstractCellModel, Overpotentials
from gradion.cell.models.single_particle import Surface, heat, particle_rates, surfaces
from gradion.numerics.linear import BorderedTridiagonal
from gradion.numerics.mesh import RadialMesh

__all__ = ["SPM"]


@final
class SPM(AbstractCellModel):
    """One particle an electrode, the electrolyte at rest, all ohmic losses left out but contact.

    Valid at low rates. `n_r` shells a particle, thinner by `grading` at the surface.
    """

    def __init__(self, cell: Cell, *, n_r: int = 24, grading: float = 8.0) -> None:
        super().__init__()
        self.cell = cell
        self.mesh = RadialMesh(n_r, grading)

    @property
    def structure(self) -> BorderedTridiagonal:
        return BorderedTridiagonal(border=int(self.cell.thermal.is_dynamic))

    def initial_state(self) -> Float[Array, " n"]:
        n, cell = self.mesh.n, self.cell
        parts = [
            jnp.full(n, cell.negative.initial_stoichiometry),
            jnp.full(n, cell.positive.initial_stoichiometry),
            initial_unknown(cell.thermal),
        ]
        return jnp.concatenate(parts)

    def rate(self, u: Float[Array, " n"], current: Float[Array, ""]) -> Float[Array, " n"]:
        x_n, x_p = self.stoichiometries(u)
        T = self.temperature(u)
        rates = list(particle_rates(self.cell, self.mesh, x_n, x_p, T, current))
        if self.cell.thermal.is_dynamic:
            parts, negative, positive = self._losses(u, current)
            power = heat(self.cell, negative, positive, T, current, parts)
            rates.append(unknown_rate(self.cell.thermal, T, power))
        return jnp.concatenate(rates)

    def overpotentials(self, u: Float[Array, " n"], current: Float[Array, ""]) -> Overpotentials:
        return self._losses(u, current)[0]

    def _losses(self, u: Array, current: Array) -> tuple[Overpotentials, Surface, Surface]:
        """The parts of the voltage, and the two particles' surfaces."""
        cell = self.cell
        x_n, x_p = self.stoichiometries(u)
        T = self.temperature(u)
        n, p = surfaces(cell, self.mesh, x_n, x_p, T, current)
        c_e = cell.electrolyte.c_e0
        eta_n = cell.negative.kinetics.overpotential(n.j, n.x, cell.negative.c_max, c_e, T)
        eta_p = cell.positive.kinetics.overpotential(p.j, p.x, cell.positive.c_max, c_e, T)
        zero = jnp.zeros_like(T)
        parts = Overpotentials(
            open_circuit=cell.positive.open_circuit(p.x, T) - cell.negative.open_circuit(n.x, T),
            reaction=eta_p - eta_n,
            concentration=zero,
            electrolyte_ohmic=zero,
            solid_ohmic=zero,
            contact=-current * cell.contact_resistance,
        )
        return parts, n, p

    def temperature(self, u: Float[Array, " n"]) -> Float[Array, ""]:
        return temperature_of(self.cell.thermal, u)

    def stoichiometries(
        self, u: Float[Array, " n"]
    ) -> tuple[Float[Array, " n_r"], Float[Array, " n_r"]]:
        n = self.mesh.n
        return u[:n], u[n : 2 * n]

    def salt_concentration(self, u: Float[Array, " n"]) -> Float[Array, " n_x"]:
        return self.cell.electrolyte.c_e0[None]
