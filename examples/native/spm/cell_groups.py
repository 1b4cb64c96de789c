"""What a cell is made of, and the groups of parameters that its discharge depends on."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from gradion.foundation.constants import F, R

__all__ = ["Cell", "Electrode", "Groups", "OpenCircuit", "groups"]


class OpenCircuit(NamedTuple):
    """U(x) = offset + linear x + a exp(-b (x - c)) + sum d tanh(e (x - f)), three terms [V]."""

    offset: ArrayLike  # [V]
    linear: ArrayLike  # [V]
    amplitude: ArrayLike  # [4] [V] of the exponential and the three tanh
    steepness: ArrayLike  # [4]
    centre: ArrayLike  # [4]


class Electrode(NamedTuple):
    """One electrode and its particles."""

    thickness: ArrayLike  # [m]
    particle_radius: ArrayLike  # [m]
    active_fraction: ArrayLike
    c_max: ArrayLike  # [mol/m^3]
    initial_stoichiometry: ArrayLike
    D_s: ArrayLike  # [m^2/s] of the empty particle at T_ref
    D_s_exponent: ArrayLike  # D_s grows as exp(D_s_exponent x)
    E_a_D_s: ArrayLike  # [J/mol]
    k: ArrayLike  # [m^2.5 mol^-0.5 s^-1] at T_ref
    E_a_k: ArrayLike  # [J/mol]
    open_circuit: OpenCircuit


class Cell(NamedTuple):
    """A cell and how it is discharged; every leaf may be differentiated and mapped."""

    negative: Electrode
    positive: Electrode
    area: ArrayLike  # [m^2]
    current: ArrayLike  # [A], positive on discharge
    contact_resistance: ArrayLike  # [ohm]
    cutoff: ArrayLike  # [V]
    c_e: ArrayLike  # [mol/m^3]
    T: ArrayLike  # [K]
    T_ref: ArrayLike  # [K]


class Groups(NamedTuple):
    """What the native code gets: pairs are [negative, positive], and `theta` is all in this order.

    The discharge depends on no other combination of the parameters.
    """

    diffusion: Array  # [2] D_s / R_p^2 of the empty particle [1/s]
    exponent: Array  # [2]
    outflow: Array  # [2] j / (F c_max R_p) [1/s]
    initial: Array  # [2] stoichiometry
    polarisation: Array  # [2] j / 2 j0 where x (1 - x) is one
    offset: Array  # [2] [V]
    linear: Array  # [2] [V]
    amplitude: Array  # [4, 2] [V]
    steepness: Array  # [4, 2]
    centre: Array  # [4, 2]
    thermal: Array  # [] 2 R T / F [V]
    drop: Array  # [] I R_contact [V]
    cutoff: Array  # [] [V]

    @property
    def theta(self) -> Array:
        """All of them as one vector [41]."""
        return jnp.concatenate([jnp.ravel(jnp.asarray(x, float)) for x in self])

    @classmethod
    def of(cls, theta: Array) -> "Groups":
        """The groups in a vector [41]."""
        ends = np.cumsum([math.prod(shape) for shape in _SHAPES])
        parts = jnp.split(theta, ends[:-1])
        return cls(*(x.reshape(shape) for x, shape in zip(parts, _SHAPES, strict=True)))


_SHAPES = ((2,),) * 7 + ((4, 2),) * 3 + ((),) * 3


def groups(cell: Cell) -> Groups:
    """The groups of a cell; j0 = F k sqrt(c_e c_s (c_max - c_s))."""
    pair: Any = jax.tree.map(
        lambda *both: jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, both)), -1),
        cell.negative,
        cell.positive,
    )
    i_cell = jnp.array([1.0, -1.0]) * cell.current / cell.area  # out of one, into the other
    # j = i_cell / (a L), a = 3 active_fraction / R_p.
    j_over_R_p = i_cell / (3.0 * pair.active_fraction * pair.thickness)
    warmth = (1.0 / cell.T_ref - 1.0 / cell.T) / R  # Arrhenius: exp(E_a warmth)
    D_s = pair.D_s * jnp.exp(pair.E_a_D_s * warmth)
    k = pair.k * jnp.exp(pair.E_a_k * warmth)
    return Groups(
        diffusion=D_s / pair.particle_radius**2,
        exponent=pair.D_s_exponent,
        outflow=j_over_R_p / (F * pair.c_max),
        initial=pair.initial_stoichiometry,
        polarisation=j_over_R_p
        * pair.particle_radius
        / (2.0 * F * k * jnp.sqrt(cell.c_e) * pair.c_max),
        **pair.open_circuit._asdict(),
        thermal=2.0 * R * cell.T / F,
        drop=cell.current * cell.contact_resistance,
        cutoff=cell.cutoff,
    )
