"""Energy, forces and parameter gradients of a box of water in one pass, and a fit with them.

Run: ``python examples/native/pairs/run.py`` (the first run compiles the C++ files).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from pairs import COULOMB, build_tiles, count_tiles, pairs
from water import water_box

jax.config.update("jax_enable_x64", True)

CUTOFF, SKIN, ALPHA = 0.9, 0.1, 2.9203  # nm, nm, 1/nm
MODEL = {"cutoff": CUTOFF, "alpha": ALPHA, "coulomb": COULOMB}


def one_pass() -> None:
    """Energy, forces and dE/d(charge, sigma, epsilon) together."""
    water = water_box(1000)
    where = (water.positions, water.box, water.molecule)
    room = int(1.1 * count_tiles(*where, radius=CUTOFF + SKIN))
    tiles = build_tiles(*where, radius=CUTOFF + SKIN, room=room)

    @jax.jit
    def everything(positions, charge, sigma, epsilon):
        def energy(charge, sigma, epsilon):
            return pairs(positions, charge, sigma, epsilon, water.box, *tiles, **MODEL)

        return jax.value_and_grad(energy, argnums=(0, 1, 2), has_aux=True)(charge, sigma, epsilon)

    parameters = (water.charge, water.sigma, water.epsilon)
    (energy, forces), slopes = everything(water.positions, *parameters)
    print(f"{len(water.positions)} atoms, {room} tiles of 4 x 4 pairs")
    print(f"energy {energy:.3f} kJ/mol, largest force {jnp.abs(forces).max():.1f} kJ/(mol nm)")
    # One number for all oxygens, since they share their parameters.
    for name, slope, unit in zip(
        ("charge", "sigma", "epsilon"), slopes, ("kJ/(mol e)", "kJ/(mol nm)", "1"), strict=True
    ):
        print(f"dE/d{name} of oxygen: {slope[::3].sum():.3f} {unit}")


def fit() -> None:
    """Oxygen's sigma and epsilon from energies and forces of frames, by Gauss-Newton."""
    frames = [water_box(64, seed=seed) for seed in range(8)]
    radius, box, molecule = 0.6, frames[0].box, frames[0].molecule
    positions = jnp.stack([frame.positions for frame in frames])
    room = max(int(count_tiles(x, box, molecule, radius=radius)) for x in positions)
    order, tiles = jax.vmap(lambda x: build_tiles(x, box, molecule, radius=radius, room=room))(
        positions
    )
    charge, hydrogen = frames[0].charge, jnp.arange(len(molecule)) % 3 > 0

    @jax.jit
    def observed(theta):
        """Energies of the frames, and forces [1/10 nm] beside them."""
        sigma = jnp.where(hydrogen, 1.0, theta[0])
        epsilon = jnp.where(hydrogen, 0.0, theta[1])

        def one(x, order, tiles):
            model = {**MODEL, "cutoff": radius}
            return pairs(x, charge, sigma, epsilon, box, order, tiles, **model)

        energy, forces = jax.vmap(one)(positions, order, tiles)
        return jnp.concatenate([energy, 0.1 * forces.ravel()])

    truth = jnp.array([0.31507524065751241, 0.635968])
    data, theta = observed(truth), jnp.array([0.33, 0.5])
    jacobian = jax.jit(jax.jacfwd(observed))
    for step in range(6):
        residual = observed(theta) - data
        print(f"step {step}: sigma {theta[0]:.6f} nm, epsilon {theta[1]:.6f} kJ/mol")
        theta -= jnp.linalg.lstsq(jacobian(theta), residual)[0]
    off = jnp.abs(theta / truth - 1)
    print(f"recovered to {off[0]:.1e} (sigma) and {off[1]:.1e} (epsilon)")


if __name__ == "__main__":
    one_pass()
    fit()
