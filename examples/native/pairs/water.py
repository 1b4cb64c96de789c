"""Boxes of water, for the example, its tests and its benchmark."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["ANGLE", "BOND", "Water", "water_box"]

# TIP3P: Jorgensen, Chandrasekhar, Madura, Impey and Klein, J. Chem. Phys. 79 (1983) 926; sigma and
# epsilon in nm and kJ/mol as tabulated with OpenMM's amber14/tip3p.xml. An epsilon of 0 makes no
# Lennard-Jones site of hydrogen, whatever sigma is.
BOND, ANGLE = 0.09572, np.radians(104.52)
_CHARGE = (-0.834, 0.417, 0.417)
_SIGMA = (0.31507524065751241, 1.0, 1.0)
_EPSILON = (0.635968, 0.0, 0.0)
_MOLECULES_PER_NM3 = 33.4


class Water(NamedTuple):
    """Atoms of water molecules in the order O, H, H."""

    positions: np.ndarray
    """[n, 3], nm."""
    charge: np.ndarray
    """[n], elementary charges."""
    sigma: np.ndarray
    """[n], nm."""
    epsilon: np.ndarray
    """[n], kJ/mol."""
    box: np.ndarray
    """Edges [3], nm."""
    molecule: np.ndarray
    """[n], int32."""


def water_box(n_molecules: int, *, seed: int = 0) -> Water:
    """Molecules at the density of water, on a shaken lattice and turned at random."""
    generator = np.random.default_rng(seed)
    edge = (n_molecules / _MOLECULES_PER_NM3) ** (1 / 3)
    per_edge = int(np.ceil(n_molecules ** (1 / 3) - 1e-9))
    places = np.stack(np.meshgrid(*[np.arange(per_edge)] * 3, indexing="ij"), -1).reshape(-1, 3)
    places = places[np.sort(generator.permutation(len(places))[:n_molecules])]
    oxygen = (places + generator.uniform(0.4, 0.6, places.shape)) * edge / per_edge
    # Two unit vectors at the angle of the molecule, in a plane turned at random.
    a, b = generator.normal(size=(2, n_molecules, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b -= np.sum(a * b, axis=1, keepdims=True) * a
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    hydrogens = (a, np.cos(ANGLE) * a + np.sin(ANGLE) * b)
    positions = np.stack([oxygen, *(oxygen + BOND * h for h in hydrogens)], axis=1)
    return Water(
        positions.reshape(-1, 3),
        *(np.tile(values, n_molecules) for values in (_CHARGE, _SIGMA, _EPSILON)),
        np.full(3, edge),
        np.repeat(np.arange(n_molecules, dtype=np.int32), 3),
    )
