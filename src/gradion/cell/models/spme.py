"""The single particle model with electrolyte."""

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
from gradion.cell.models.single_particle import (
    Surface,
    heat,
    mean_salt_sources,
    particle_rates,
    solid_ohmic,
    surfaces,
)
from gradion.cell.physics import salt_rate
from gradion.foundation.constants import F, R
from gradion.numerics.linear import BorderedTridiagonal
from gradion.numerics.mesh import LineMesh, RadialMesh

__all__ = ["SPMe"]


@final
class SPMe(AbstractCellModel):
    """One particle an electrode, and the salt in the electrolyte resolved over the thickness.

    The reaction is uniform over each electrode; its overpotential is averaged over the local
    exchange current (Marquis et al., J. Electrochem. Soc. 166 (2019) A3693, composite form of the
    electrolyte potential; ohmic loss with kappa at the mean concentration of the cell). `n_r`
    shells a particle, thinner by `grading` at the surface; `n_x` control volumes in the negative
    electrode, separator and positive electrode.
    """

    def __init__(
        self,
        cell: Cell,
        *,
        n_r: int = 24,
        n_x: tuple[int, int, int] = (20, 12, 20),
        grading: float = 8.0,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.mesh = RadialMesh(n_r, grading)
        self.line = LineMesh(n_x)

    @property
    def structure(self) -> BorderedTridiagonal:
        return BorderedTridiagonal(border=int(self.cell.thermal.is_dynamic))

    def initial_state(self) -> Float[Array, " n"]:
        n, cell = self.mesh.n, self.cell
        parts = [
            jnp.full(n, cell.negative.initial_stoichiometry),
            jnp.full(n, cell.positive.initial_stoichiometry),
            jnp.ones(self.line.n),
            initial_unknown(cell.thermal),
        ]
        return jnp.concatenate(parts)

    def rate(self, u: Float[Array, " n"], current: Float[Array, ""]) -> Float[Array, " n"]:
        cell = self.cell
        x_n, x_p = self.stoichiometries(u)
        T = self.temperature(u)
        rates = list(particle_rates(cell, self.mesh, x_n, x_p, T, current))
        rates.append(self._salt_rate(self.salt_concentration(u), T, current))
        if cell.thermal.is_dynamic:
            parts, negative, positive = self._losses(u, current)
            power = heat(cell, negative, positive, T, current, parts)
            rates.append(unknown_rate(cell.thermal, T, power))
        return jnp.concatenate(rates)

    def overpotentials(self, u: Float[Array, " n"], current: Float[Array, ""]) -> Overpotentials:
        return self._losses(u, current)[0]

    def _losses(self, u: Array, current: Array) -> tuple[Overpotentials, Surface, Surface]:
        """The parts of the voltage, and the two particles' surfaces."""
        cell = self.cell
        x_n, x_p = self.stoichiometries(u)
        T, c_e = self.temperature(u), self.salt_concentration(u)
        n, p = surfaces(cell, self.mesh, x_n, x_p, T, current)
        c_n, c_p = c_e[self.line.layer_slice(0)], c_e[self.line.layer_slice(2)]
        eta_n = cell.negative.kinetics.overpotential(n.j, n.x, cell.negative.c_max, c_n, T)
        eta_p = cell.positive.kinetics.overpotential(p.j, p.x, cell.positive.c_max, c_p, T)
        parts = Overpotentials(
            open_circuit=cell.positive.open_circuit(p.x, T) - cell.negative.open_circuit(n.x, T),
            reaction=jnp.mean(eta_p) - jnp.mean(eta_n),
            concentration=self._concentration_overpotential(c_e, T),
            electrolyte_ohmic=self._electrolyte_ohmic(c_e, T, current),
            solid_ohmic=solid_ohmic(cell, current),
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
        start = 2 * self.mesh.n
        return u[start : start + self.line.n] * self.cell.electrolyte.c_e0

    def _per_volume(self, n: Array, s: Array, p: Array) -> Float[Array, " n_x"]:
        """One value a layer, spread over its control volumes."""
        return jnp.stack([n, s, p])[self.line.layer]

    def _widths(self) -> Float[Array, " n_x"]:
        cell = self.cell
        layers = self._per_volume(
            cell.negative.thickness, cell.separator.thickness, cell.positive.thickness
        )
        return layers * jnp.array(self.line.fractions)

    def _efficiencies(self) -> tuple[Array, Array, Array]:
        """Effective over bulk transport in the electrolyte of each layer."""
        cell = self.cell
        return (
            cell.negative.porosity**cell.negative.bruggeman,
            cell.separator.porosity**cell.separator.bruggeman,
            cell.positive.porosity**cell.positive.bruggeman,
        )

    def _salt_rate(self, c_e: Array, T: Array, current: Array) -> Array:
        """d(c_e / c_e0)/dt [1/s]."""
        cell = self.cell
        source_n, source_p = mean_salt_sources(cell, current)
        porosity = self._per_volume(
            cell.negative.porosity, cell.separator.porosity, cell.positive.porosity
        )
        # Without salt the transport laws have no meaning: the last known values go on.
        D_eff = cell.electrolyte.D_e(jnp.maximum(c_e, 1e-3 * cell.electrolyte.c_e0), T)
        D_eff = D_eff * self._per_volume(*self._efficiencies())
        source = self._per_volume(source_n, jnp.zeros_like(source_n), source_p)
        rate = salt_rate(self._widths(), c_e, D_eff, source, porosity)
        return rate / cell.electrolyte.c_e0

    def _concentration_overpotential(self, c_e: Array, T: Array) -> Float[Array, ""]:
        """Mean over the positive minus mean over the negative of R T / F int chi dln c_e."""
        # Without salt: the logarithm and its derivative stay finite.
        c_e = jnp.maximum(c_e, 1e-3 * self.cell.electrolyte.c_e0)
        chi = self.cell.electrolyte.chi(c_e, T)
        # The trapezoidal rule in ln c_e from centre to centre, across the layers too.
        steps = 0.5 * (chi[1:] + chi[:-1]) * jnp.diff(jnp.log(c_e))
        potential = jnp.concatenate([jnp.zeros(1), jnp.cumsum(steps)])
        n, p = self.line.layer_slice(0), self.line.layer_slice(2)
        return R * T / F * (jnp.mean(potential[p]) - jnp.mean(potential[n]))

    def _electrolyte_ohmic(self, c_e: Array, T: Array, current: Array) -> Float[Array, ""]:
        cell = self.cell
        widths = self._widths()
        mean = widths @ c_e / jnp.sum(widths)
        kappa = cell.electrolyte.kappa(mean, T)
        b_n, b_s, b_p = self._efficiencies()
        resistance = (
            cell.negative.thickness / (3.0 * b_n)
            + cell.separator.thickness / b_s
            + cell.positive.thickness / (3.0 * b_p)
        ) / kappa
        return -current / cell.area * resistance
