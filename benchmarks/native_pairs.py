"""24k atoms of water: the pair kernel of examples/native/pairs beside OpenMM's direct space.

Run: ``python benchmarks/native_pairs.py`` with OpenMM installed (extra ``peers``). All rows in one
process, in turn, medians; accuracy of every row against the reference in double precision.
``--check`` compares with OpenMM's Reference platform only; ``--oracle FILE`` writes what the tests
compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "native" / "pairs"))

import jax
import jax.numpy as jnp
import numpy as np
import openmm
from pairs import COULOMB, build_tiles, count_tiles, pairs
from reference import energy as reference_energy
from scipy.special import erf
from water import Water, water_box

jax.config.update("jax_enable_x64", True)

N_MOLECULES, CUTOFF, SKIN, ALPHA = 7890, 0.9, 0.1, 2.9203
MODEL = {"cutoff": CUTOFF, "alpha": ALPHA, "coulomb": COULOMB}
Call = Callable[[], Any]


def context(water: Water, cutoff: float, alpha: float, name: str, threads: int) -> openmm.Context:
    """The same atoms in OpenMM, the direct space of PME alone in force group 0."""
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(force.PME)
    force.setCutoffDistance(cutoff)
    force.setPMEParameters(alpha, 32, 32, 32)
    force.setUseDispersionCorrection(False)
    force.setReciprocalSpaceForceGroup(1)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*np.diag(water.box))
    for parameters in zip(water.charge, water.sigma, water.epsilon, strict=True):
        system.addParticle(16.0)
        force.addParticle(*parameters)
    for i, j in exclusions(water):
        force.addException(i, j, 0.0, 1.0, 0.0)
    system.addForce(force)
    chosen = openmm.Platform.getPlatformByName(name)
    properties = {"Threads": str(threads)} if name == "CPU" else {}
    made = openmm.Context(system, openmm.VerletIntegrator(0.001), chosen, properties)
    made.setPositions(water.positions)
    return made


def exclusions(water: Water) -> np.ndarray:
    first = np.arange(0, len(water.charge), 3)
    return np.concatenate(
        [np.stack([first + a, first + b], 1) for a, b in ((0, 1), (0, 2), (1, 2))]
    )


def direct_space(made: openmm.Context, water: Water, alpha: float) -> tuple[float, np.ndarray]:
    """OpenMM's energy and forces, without what it takes off for pairs of one molecule.

    Reciprocal space has those pairs in full: OpenMM's direct space holds -k q q erf(alpha r) / r
    for each of them, and the list of gradion leaves them out.
    """
    state = made.getState(energy=True, forces=True, groups={0})
    value = state.getPotentialEnergy()._value
    forces = np.array(state.getForces(asNumpy=True)._value)
    i, j = exclusions(water).T
    d = water.positions[i] - water.positions[j]
    r = np.linalg.norm(d, axis=1)
    qq = openmm_coulomb() * water.charge[i] * water.charge[j]
    term = qq * erf(alpha * r) / r
    gauss = qq * 2 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * r) ** 2))
    f = ((gauss - term) / r**2)[:, None] * d
    np.add.at(forces, i, -f)
    np.add.at(forces, j, f)
    return value + term.sum(), forces


def openmm_coulomb() -> float:
    """OpenMM's own constant; it is that of CODATA 2018, 1e-10 from ours."""
    return 138.93545764438198


def list_of(water: Water, radius: float) -> tuple[jax.Array, jax.Array]:
    where = (water.positions, water.box, water.molecule)
    return build_tiles(*where, radius=radius, room=int(count_tiles(*where, radius=radius)))


def relative(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found), np.asarray(expected)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def check() -> None:
    """Energy and forces beside OpenMM's Reference platform, for all atoms."""
    water = water_box(N_MOLECULES)
    energy, forces = pairs(*water[:5], *list_of(water, CUTOFF + SKIN), **MODEL)
    other, expected = direct_space(context(water, CUTOFF, ALPHA, "Reference", 1), water, ALPHA)
    print(f"{len(water.charge)} atoms, OpenMM {openmm.version.version}, platform Reference")
    off = abs(float(energy) / other - 1)
    print(f"relative difference of energy {off:.1e} forces {relative(forces, expected):.1e}")


def write_oracle(path: Path) -> None:
    """The direct space of 100 molecules by OpenMM's Reference platform."""
    water = water_box(100, seed=5)
    # Rounded, so that the file holds exactly what was computed.
    water = water._replace(positions=np.round(water.positions, 4), box=np.round(water.box, 4))
    made = context(water, 0.6, 4.0, "Reference", 1)
    value, forces = direct_space(made, water, 4.0)
    text = {
        "program": f"OpenMM {openmm.version.version}, platform Reference",
        "command": "python benchmarks/native_pairs.py --oracle FILE",
        "date": date.today().isoformat(),
        "what": "direct space of PME, TIP3P, pairs of one molecule excluded; nm, kJ/mol",
        "cutoff": 0.6,
        "alpha": 4.0,
        "box": float(water.box[0]),
        "energy": value,
        "positions": water.positions.tolist(),
        "forces": np.round(forces, 3).tolist(),
    }
    path.write_text(json.dumps(text).replace("], [", "],\n[") + "\n")


class Row(NamedTuple):
    name: str
    threads: int
    every: int
    """Runs in each `every`-th round: long rows less often."""
    call: Call


def gradion_rows(water: Water, tiles: tuple[jax.Array, jax.Array]) -> list[Row]:
    at = tuple(map(jnp.asarray, water[:4]))
    where = tuple(map(jnp.asarray, (water.positions, water.box, water.molecule)))
    rest = (where[1], *tiles)
    every_slope = (0, 1, 2, 3)

    plain = jax.jit(lambda *z: pairs(*z, *rest, **MODEL))
    slopes = jax.jit(jax.value_and_grad(lambda *z: pairs(*z, *rest, **MODEL)[0], every_slope))
    # The product of the Hessian with a vector in positions: the pass that force matching adds.
    matching = jax.jit(lambda *z: jax.vjp(lambda *y: pairs(*y, *rest, **MODEL), *z)[1])
    one, w = jnp.zeros(()), jnp.ones_like(at[0])
    pull = jax.jit(lambda *z: matching(*z)((one, w)))
    reference = jax.jit(
        jax.value_and_grad(lambda *z: reference_energy(*z, *rest, **MODEL), every_slope)
    )

    def build() -> Any:
        return build_tiles(*where, radius=CUTOFF + SKIN, room=len(tiles[1]))

    found = [Row("reference in JAX, float64: E + F + dE/dtheta", 2, 16, lambda: reference(*at))]
    for threads in (1, 2):
        found += [
            Row("gradion: E + F", threads, 1, lambda: plain(*at)),
            Row("gradion: E + F + dE/dtheta", threads, 1, lambda: slopes(*at)),
            Row("gradion: the same, then Hessian times vector", threads, 2, lambda: pull(*at)),
            Row("gradion: list of tiles", threads, 2, build),
        ]
    return found


def openmm_rows(water: Water) -> list[Row]:
    found = []
    for threads in (1, 2):
        made = context(water, CUTOFF, ALPHA, "CPU", threads)

        def both(made: openmm.Context = made) -> Any:
            return made.getState(energy=True, forces=True, groups={0})

        def forces(made: openmm.Context = made) -> Any:
            return made.getState(forces=True, groups={0})

        found += [
            Row("OpenMM CPU, direct space: E + F", threads, 1, both),
            Row("OpenMM CPU, direct space: F", threads, 1, forces),
        ]
    return found


def time_rows(rows: list[Row], rounds: int) -> None:
    """Print medians of CPU and wall time; all rows take turns."""
    times: list[list[tuple[float, float]]] = [[] for _ in rows]
    for turn in range(-1, rounds):
        for row, measured in zip(rows, times, strict=True):
            if turn % row.every and turn >= 0:
                continue
            os.environ["GRADION_NUM_THREADS"] = str(row.threads)
            cpu, wall = time.process_time(), time.perf_counter()
            jax.block_until_ready(row.call())
            found = (time.process_time() - cpu, time.perf_counter() - wall)
            if turn >= 0:  # The round before the first compiles.
                measured.append(found)
    print(f"{'':46} threads  CPU [ms]  wall [ms]  runs")
    for row, measured in zip(rows, times, strict=True):
        cpu, wall = (1e3 * statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{row.name:46} {row.threads:7} {cpu:9.1f} {wall:10.1f} {len(measured):5}")


def print_accuracy(water: Water, tiles: tuple[jax.Array, jax.Array]) -> None:
    """Print differences from double precision in the 2-norm."""
    at = tuple(map(jnp.asarray, water[:4]))
    rest = (water.box, *tiles)
    value, expected = jax.jit(
        jax.value_and_grad(lambda *z: reference_energy(*z, *rest, **MODEL), (0, 1, 2, 3))
    )(*at)
    found, slopes = jax.value_and_grad(lambda *z: pairs(*z, *rest, **MODEL)[0], (0, 1, 2, 3))(*at)
    print("\nrelative difference from double precision   E        F        dq       dsigma   deps")
    errors = [abs(float(found / value) - 1), *map(relative, slopes, expected)]
    print(f"{'gradion':42} " + "  ".join(f"{x:.1e}" for x in errors))
    for name in ("CPU", "Reference"):
        other, forces = direct_space(context(water, CUTOFF, ALPHA, name, 1), water, ALPHA)
        errors = [abs(other / float(value) - 1), relative(-forces, expected[0])]
        print(f"{'OpenMM ' + name:42} " + "  ".join(f"{x:.1e}" for x in errors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--oracle", type=Path)
    parser.add_argument("--rounds", type=int, default=48)
    chosen = parser.parse_args()
    if chosen.check:
        check()
    elif chosen.oracle:
        write_oracle(chosen.oracle)
    else:
        water = water_box(N_MOLECULES)
        tiles = list_of(water, CUTOFF + SKIN)
        print(
            f"{len(water.charge)} atoms, cutoff {CUTOFF} nm, skin {SKIN} nm, {len(tiles[1])} tiles "
            f"of 4 x 4; jax {jax.__version__}, OpenMM {openmm.version.version}, "
            f"Python {platform.python_version()}, {os.cpu_count()} cores\n"
        )
        time_rows([*gradion_rows(water, tiles), *openmm_rows(water)], chosen.rounds)
        print_accuracy(water, tiles)


if __name__ == "__main__":
    main()
