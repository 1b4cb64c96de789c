"""A model of the DFN's size, 960 states, with the laws of a Chen2020 cell.

It stands in for the DFN: 2 x 20 particles of 20 shells, 60 points of electrolyte, 60 electrolyte
potentials and 40 solid potentials.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradion.cell.models import Cell
from gradion.foundation.constants import F, R
from gradion.numerics.mesh import RadialMesh

__all__ = ["STATES", "residual", "state"]

N_X, N_R = 20, 20
STATES = 2 * N_X * N_R + 3 * N_X + 3 * N_X + 2 * N_X


def particles(electrode, c_s, j, T):
    """Rate of change of the shells' stoichiometries [1/s] for surface currents j [A/m^2]."""
    mesh = RadialMesh(N_R)
    r = electrode.particle_radius
    D_s = electrode.D_s(c_s, T)
    D_face = 0.5 * (D_s[:, 1:] + D_s[:, :-1])
    inner = -D_face * (c_s[:, 1:] - c_s[:, :-1]) / (r * np.diff(mesh.centroids))
    surface = j / (F * electrode.c_max)
    flux = jnp.concatenate([jnp.zeros((N_X, 1)), inner, surface[:, None]], axis=1)
    return -(flux[:, 1:] * mesh.areas[1:] - flux[:, :-1] * mesh.areas[:-1]) / (r * mesh.volumes)


def reaction(electrode, c_s, c_e, eta_phi, T):
    """Surface current density [A/m^2] of Butler and Volmer."""
    x = c_s[:, -1]
    eta = eta_phi - electrode.open_circuit(x, T)
    j0 = electrode.kinetics.exchange_current(x, electrode.c_max, c_e, T)
    return 2.0 * j0 * jnp.sinh(F * eta / (2.0 * R * T))


def neighbours(value, conductivity, dx, left, right):
    """Divergence of conductivity * grad(value), with the fluxes at the two ends given."""
    face = 2.0 * conductivity[1:] * conductivity[:-1] / (conductivity[1:] + conductivity[:-1])
    inner = -face * (value[1:] - value[:-1]) / dx
    flux = jnp.concatenate([left[None], inner, right[None]])
    return (flux[1:] - flux[:-1]) / dx


def residual(cell: Cell, y: jax.Array, current: jax.Array) -> jax.Array:
    """Right-hand side of a DFN-like model, y [960] scaled, current [A/m^2]."""
    T = jnp.asarray(cell.thermal.T_initial)
    n = N_X * N_R
    c_n, c_p = y[:n].reshape(N_X, N_R), y[n : 2 * n].reshape(N_X, N_R)
    c_e, phi_e = y[2 * n : 2 * n + 3 * N_X], y[2 * n + 3 * N_X : 2 * n + 6 * N_X]
    phi_n, phi_p = y[-2 * N_X : -N_X], y[-N_X:]
    c_el = 1000.0 * c_e
    j_n = reaction(cell.negative, c_n, c_el[:N_X], phi_n - phi_e[:N_X], T)
    j_p = reaction(cell.positive, c_p, c_el[-N_X:], phi_p - phi_e[-N_X:], T)
    a_n, a_p = cell.negative.surface_area_density(), cell.positive.surface_area_density()
    source = jnp.concatenate([a_n * j_n, jnp.zeros(N_X), a_p * j_p])
    dx = (cell.negative.thickness + cell.separator.thickness + cell.positive.thickness) / (3 * N_X)
    zero = jnp.zeros(())
    D_e = cell.electrolyte.D_e(c_el, T)
    kappa = cell.electrolyte.kappa(c_el, T)
    salt = neighbours(c_el, 0.3 * D_e, dx, zero, zero)
    dc_e = (-salt + (1.0 - cell.electrolyte.t_plus) * source / F) / 300.0
    thermo = 2.0 * R * T / F * (1.0 - cell.electrolyte.t_plus)
    charge_e = neighbours(phi_e - thermo * jnp.log(c_e), 0.3 * kappa, dx, zero, zero)
    sigma_n = cell.negative.effective_conductivity() * jnp.ones(N_X)
    sigma_p = cell.positive.effective_conductivity() * jnp.ones(N_X)
    charge_n = neighbours(phi_n, sigma_n, dx, current, zero)
    charge_p = neighbours(phi_p, sigma_p, dx, zero, current)
    return jnp.concatenate(
        [
            particles(cell.negative, c_n, j_n, T).reshape(-1),
            particles(cell.positive, c_p, j_p, T).reshape(-1),
            dc_e,
            charge_e - source,
            charge_n + a_n * j_n,
            charge_p + a_p * j_p,
        ]
    )


def state() -> jax.Array:
    """A state not far from equilibrium, different at every point."""
    n = N_X * N_R
    ramp = np.linspace(0.0, 0.05, n)
    parts = [0.8 + ramp, 0.4 - ramp, 1.0 + 0.1 * np.linspace(-1, 1, 3 * N_X)]
    parts += [0.01 * np.linspace(1, -1, 3 * N_X), np.full(N_X, 0.1), np.full(N_X, 3.9)]
    return jnp.asarray(np.concatenate(parts))
