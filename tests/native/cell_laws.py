"""Laws of a Chen2020 cell as functions of arrays, for C++ beside XLA."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from gradion.numerics.interpolate import MonotoneSpline
from gradion.numerics.mesh import RadialMesh

NODES = np.linspace(0.0, 1.0, 200)


def open_circuit_negative(cell, x, T):
    return cell.negative.open_circuit(x, T)


def open_circuit_positive(cell, x, T):
    return cell.positive.open_circuit(x, T)


def diffusivity(cell, x, T):
    return cell.negative.D_s(x, T)


def interpolated(spline, x):
    return spline(x)


def particle(cell, c_s, eta, T):
    """Radial diffusion with Butler and Volmer at the surface: a residual with neighbours."""
    mesh, electrode = RadialMesh(10), cell.negative
    j0 = electrode.kinetics.exchange_current(c_s[-1], electrode.c_max, jnp.asarray(1000.0), T)
    j = 2.0 * j0 * jnp.sinh(eta / 0.05)
    D_s = electrode.D_s(c_s, T)
    gradient = (c_s[1:] - c_s[:-1]) / np.diff(mesh.centroids)
    inner = -0.5 * (D_s[1:] + D_s[:-1]) * gradient / electrode.particle_radius
    surface = j / (96485.0 * electrode.c_max)
    flux = jnp.concatenate([jnp.zeros(1), inner, surface[None]]) * mesh.areas
    return -(flux[1:] - flux[:-1]) / (mesh.volumes * electrode.particle_radius), j


def sine(y: Any) -> MonotoneSpline:
    return MonotoneSpline(NODES, y)
