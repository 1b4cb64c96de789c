"""The example of a pair kernel: closed forms, its reference in JAX, OpenMM, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erfc

from gradion.extension import check_operator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "native" / "pairs"
MODULES = ("pairs", "reference", "water")
CUTOFF, ALPHA = 0.6, 4.0
# Pairs are in single precision: 6e-8 a step, a dozen steps, steepened up to 12 times by r^-12.
SINGLE = 3e-6


@pytest.fixture(scope="module")
def example():
    """The modules of the example; other examples have files of the same names."""
    before = {name: sys.modules.pop(name, None) for name in MODULES}
    sys.path.insert(0, str(FOLDER))
    try:
        import pairs
        import reference
        import water

        return SimpleNamespace(
            **{name: getattr(pairs, name) for name in pairs.__all__},
            reference=reference,
            water=water,
        )
    finally:
        sys.path.remove(str(FOLDER))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


@pytest.fixture(scope="module")
def model(example):
    return {"cutoff": CUTOFF, "alpha": ALPHA, "coulomb": example.COULOMB}


def tiles_of(example, positions, box, molecule, radius):
    room = int(example.count_tiles(positions, box, molecule, radius=radius))
    return example.build_tiles(positions, box, molecule, radius=radius, room=room)


@pytest.fixture(scope="module")
def water(example):
    """216 molecules with a list of skin 0.05 nm: what `pairs` takes, in its order."""
    box = example.water.water_box(216, seed=1)
    tiles = tiles_of(example, box.positions, box.box, box.molecule, CUTOFF + 0.05)
    return (*map(jnp.asarray, box[:5]), *tiles)


def relative(found, expected):
    """Relative difference in the 2-norm."""
    found, expected = np.asarray(found), np.asarray(expected)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


# Two atoms

PAIR = {"charge": (0.5, -0.8), "sigma": (0.30, 0.36), "epsilon": (0.4, 0.9)}
ONE_TILE = (np.array([[0, 1, -1, -1]], np.int32), np.array([[0, 0, 2]], np.int32))


def two_atoms(example, distance, *, alpha, cutoff=0.9, charge=PAIR["charge"]):
    """(E, F), dE/d(q, sigma, eps) of two atoms, the nearest images across a corner of the box."""
    toward = np.array([2.0, -1.0, 2.0]) / 3
    box = np.array([2.0, 2.5, 3.0])
    positions = jnp.array([[0.05, 2.45, 0.02], [0.05, 2.45, 0.02] + distance * toward]) % box

    def energy(*parameters):
        return example.pairs(
            positions,
            *parameters,
            box,
            *ONE_TILE,
            cutoff=cutoff,
            alpha=alpha,
            coulomb=example.COULOMB,
        )

    parameters = [jnp.array(x) for x in (charge, PAIR["sigma"], PAIR["epsilon"])]
    return jax.value_and_grad(energy, (0, 1, 2), has_aux=True)(*parameters)


# 2.6 and 8.5 are alpha * cutoff in use and near the largest taken.
@pytest.mark.parametrize("alpha", [0.0, 2.6 / 0.9, 8.5 / 0.9])
@pytest.mark.parametrize("distance", [0.22, 0.33, 0.6, 0.899])
def test_two_atoms_in_closed_form(example, alpha, distance):
    r, k = distance, example.COULOMB
    (q1, q2), (e1, e2) = PAIR["charge"], PAIR["epsilon"]
    sigma, eps = 0.33, np.sqrt(e1 * e2)
    s6 = (sigma / r) ** 6
    screened = erfc(alpha * r) / r
    gauss = 2 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * r) ** 2))
    lj, push = 4 * (s6**2 - s6), 24 * (2 * s6**2 - s6)
    terms = k * abs(q1 * q2) / r + eps * 4 * (s6**2 + s6)
    (energy, forces), (dq, ds, de) = two_atoms(example, r, alpha=alpha)

    assert abs(energy - k * q1 * q2 * screened - eps * lj) <= SINGLE * terms
    f = (k * q1 * q2 * (screened + gauss) + eps * push) / r * np.array([-2.0, 1.0, -2.0]) / 3
    np.testing.assert_allclose(forces, [f, -f], atol=SINGLE * 12 * terms / r)
    np.testing.assert_allclose(dq, [k * q2 * screened, k * q1 * screened], atol=SINGLE * k / r)
    slope = eps * push / sigma / 2
    np.testing.assert_allclose(ds, [slope, slope], atol=SINGLE * 48 * eps * (s6**2 + s6) / sigma)
    expected = [lj * eps / (2 * e1), lj * eps / (2 * e2)]
    np.testing.assert_allclose(de, expected, atol=SINGLE * 4 * (s6**2 + s6) * eps / e1)


def test_lennard_jones_minimum(example):
    (energy, forces), _ = two_atoms(example, 2 ** (1 / 6) * 0.33, alpha=0.0, charge=(0.0, 0.0))
    eps = np.sqrt(0.4 * 0.9)
    assert energy == pytest.approx(-eps, rel=SINGLE)
    # The slope is a difference of terms of 24 eps / r.
    assert np.abs(forces).max() < SINGLE * 24 * eps / 0.37


def test_cutoff_is_a_limit(example):
    """Truncated, not shifted: all of the energy just inside, nothing just outside."""
    inside, outside = (
        two_atoms(example, 0.5 + d, alpha=2.0, cutoff=0.5)[0][0] for d in (-1e-6, 1e-6)
    )
    assert inside < -5.0
    assert outside == 0.0


def test_same_place_is_nan(example):
    """As 1/r - 1/r^6 is by itself at r = 0, in every instruction set."""
    for charge in (PAIR["charge"], (0.0, 0.0)):
        (energy, forces), slopes = two_atoms(example, 0.0, alpha=1.0, charge=charge)
        assert np.all(np.isnan([energy, *forces.ravel(), *np.ravel(slopes)]))


def test_same_place_out_of_the_list(example, model):
    """A pair that the list leaves out may have any distance, in derivatives too."""
    positions, ones = jnp.zeros((2, 3)), jnp.ones(2)
    order, tiles = ONE_TILE
    slope = jax.grad(
        lambda x: example.pairs(x, ones, ones, ones, 2 * jnp.ones(3), order, 0 * tiles, **model)[0]
    )(positions)
    assert np.all(slope == 0.0)


def test_epsilon_zero_is_no_site(example, model):
    """At eps_i = 0 sqrt(eps_i eps_j) has no slope; the atom counts as without the site."""
    positions, ones = jnp.array([[0.0, 0, 0], [0.3, 0, 0]]), 0.3 * jnp.ones(2)

    def energy(epsilon):
        box = 2 * jnp.ones(3)
        return example.pairs(positions, ones, ones, epsilon, box, *ONE_TILE, **model)[0]

    for order in (jax.grad(energy), jax.grad(lambda e: (jax.grad(energy)(e) ** 2).sum())):
        assert np.all(order(jnp.array([0.0, 0.5])) == 0.0)


# Against the reference


def random_case(sizes):
    """Atoms at the density of a liquid in any order, with as many tiles as asked for."""
    n, clusters, m = sizes["n"], sizes["clusters"], sizes["m"]
    if n > 4 * clusters or (m and not clusters):
        raise ValueError("no place for all atoms, or no cluster for a tile")
    generator = np.random.default_rng(n + 100 * m)
    # No edge is shorter than twice the cutoff; atoms keep apart on a shaken lattice.
    box = np.array([1.3, 1.4, 1.5])
    lattice = np.stack(np.meshgrid(*[np.arange(5)] * 3), -1).reshape(-1, 3)[:n]
    positions = (lattice + generator.uniform(-0.15, 0.15, lattice.shape)) * box / 5
    slots = np.full(4 * clusters, -1)
    slots[generator.permutation(4 * clusters)[:n]] = np.arange(n)
    order = slots.reshape(-1, 4).astype(np.int32)
    rows, columns = np.triu_indices(clusters)
    there = order >= 0
    pair = there[rows][:, :, None] & there[columns][:, None, :]
    pair &= (rows != columns)[:, None, None] | np.triu(np.ones((4, 4), bool), 1)
    mask = (pair.reshape(-1, 16) << np.arange(16)).sum(axis=1)
    tiles = np.zeros((m, 3), np.int32)
    some = np.sort(generator.permutation(len(rows))[:m])
    tiles[: len(some)] = np.stack([rows, columns, mask], axis=1)[some]
    charge = generator.uniform(-0.5, 0.5, n)
    sigma, epsilon = generator.uniform(0.15, 0.25, n), generator.uniform(0.2, 1.0, n)
    return positions, charge, sigma, epsilon, box, order, tiles


def test_operator_agrees_with_its_reference(example, model):
    sizes = {"n": 21, "clusters": 6, "m": 25}
    report = check_operator(
        example.pairs,
        random_case(sizes),
        attributes=model,
        make=random_case,
        # Third derivatives of r^-12 cancel among atoms, where the single terms are 1e-6 off.
        rtol=5e-5,
        verbose=False,
    )
    report.raise_failures()
    checked = {row.check for row in report.rows if row.passed}
    assert {"value", "jvp", "vjp", "adjoint", "second jvp", "second vjp"} <= checked


def test_water_against_double_precision(example, model, water):
    def both(energy):
        run = jax.jit(lambda *z: jax.value_and_grad(energy, (0, 1, 2, 3))(*z, *water[4:]))
        return run(*water[:4])

    value, slopes = both(lambda *z: example.pairs(*z, **model)[0])
    exact, expected = both(lambda *z: example.reference.energy(*z, **model))
    # Terms of both signs cancel in the energy; what rounds is their size.
    assert abs(value - exact) < 1e-6 * np.abs(water[1] * expected[1]).sum()
    assert [relative(x, y) < SINGLE for x, y in zip(slopes, expected, strict=True)] == [True] * 4


def test_derivative_against_differences_of_the_reference(example, model, water):
    generator = np.random.default_rng(2)
    direction = [x * generator.normal(size=x.shape) for x in water[1:4]]
    direction = [jnp.asarray(generator.normal(size=water[0].shape)), *direction]

    def at(h):
        moved = [x + h * d for x, d in zip(water[:4], direction, strict=True)]
        return example.reference.energy(*moved, *water[4:], **model)

    # No pair crosses the cutoff within the step, or the difference would jump.
    h = 1e-7
    difference = (at(h) - at(-h)) / (2 * h)
    _, (slope, _) = jax.jvp(
        lambda *z: example.pairs(*z, *water[4:], **model), tuple(water[:4]), tuple(direction)
    )
    assert slope == pytest.approx(float(difference), rel=1e-5)


def test_force_matching(example, model, water):
    """The gradient of a function of the forces, by all ways that lead to it."""
    target = 100.0

    def by_output(*z):
        return ((example.pairs(*z, *water[4:], **model)[1] - target) ** 2).sum()

    def by_gradient(energy):
        slope = jax.grad(energy)
        return lambda *z: ((-slope(*z, *water[4:], **model) - target) ** 2).sum()

    losses = (
        by_gradient(example.reference.energy),
        by_output,
        by_gradient(lambda *z, **m: example.pairs(*z, **m)[0]),
    )
    expected, *found = (jax.jit(jax.grad(loss, (0, 1, 2, 3)))(*water[:4]) for loss in losses)
    for slopes in found:
        assert max(relative(x, y) for x, y in zip(slopes, expected, strict=True)) < 2 * SINGLE


# Physics that no list and no order may change


def test_invariances(example, model, water):
    positions, charge, sigma, epsilon, box = map(np.asarray, water[:5])
    energy, forces = example.pairs(*water, **model)
    force_scale = np.linalg.norm(forces)
    # 1,900 pairs of 6e-8 each that were rounded separately for rows and columns.
    assert np.linalg.norm(forces.sum(axis=0)) < 1e-6 * force_scale
    molecule = np.repeat(np.arange(len(charge) // 3, dtype=np.int32), 3)
    generator = np.random.default_rng(3)

    def again(mix, x, radius):
        inputs = (x[mix], charge[mix], sigma[mix], epsilon[mix], box)
        tiles = tiles_of(example, x[mix], box, molecule[mix], radius)
        value, found = example.pairs(*inputs, *tiles, **model)
        back = np.empty_like(found)
        back[mix] = found
        return float(value), back

    same, mixed = np.arange(len(charge)), generator.permutation(len(charge))
    turns = positions + box * generator.integers(-3, 4, positions.shape)
    for mix, x, radius in (
        (same, positions, CUTOFF),  # no skin
        (same, positions, CUTOFF + 0.2),
        (mixed, positions, CUTOFF + 0.05),
        (same, turns, CUTOFF + 0.05),
    ):
        value, found = again(mix, x, radius)
        assert value == pytest.approx(float(energy), rel=2e-6)
        assert np.linalg.norm(found - forces) < 1e-6 * force_scale


def test_same_bits_on_any_number_of_threads(example, model, monkeypatch):
    """Large enough for several tasks of every kind."""
    box = example.water.water_box(1500)
    found = []
    for threads in (1, 2, 3, 7):
        monkeypatch.setenv("GRADION_NUM_THREADS", str(threads))
        order, tiles = tiles_of(example, box.positions, box.box, box.molecule, 1.0)
        loss = lambda *z: (example.pairs(*z, box.box, order, tiles, **model)[1] ** 2).sum()  # noqa: E731, B023
        slopes = jax.grad(loss, (0, 1, 2, 3))(*map(jnp.asarray, box[:4]))
        value, forces = example.pairs(*box[:5], order, tiles, **model)
        found.append([np.array(x).tobytes() for x in (order, tiles, value, forces, *slopes)])
    assert len(tiles) > 3 * 2**15
    assert found[1:] == found[:1] * 3


# The list


def pairs_of(order, tiles):
    """All pairs of a list, by atom."""
    rows, columns, mask = np.asarray(tiles).T
    bits = (mask[:, None] >> np.arange(16)) & 1 == 1
    i = np.asarray(order)[rows][:, np.repeat(np.arange(4), 4)][bits]
    j = np.asarray(order)[columns][:, np.tile(np.arange(4), 4)][bits]
    return np.stack([np.minimum(i, j), np.maximum(i, j)], axis=1)


@pytest.mark.parametrize(
    ("n", "edges"),
    [(0, (3, 3, 3)), (1, (3, 3, 3)), (6, (40, 3, 9)), (500, (2.0, 2.6, 3.1)), (501, (9, 2, 30))],
)
def test_list_holds_each_near_pair_once(example, n, edges):
    generator = np.random.default_rng(n)
    box, radius = np.array(edges, float), 0.95
    # Not wrapped, and half of them in a lump.
    positions = generator.uniform(-1, 2, (n, 3)) * box
    positions[: n // 2] = positions[:1] + generator.normal(size=(n // 2, 3)) * 0.4
    molecule = generator.integers(0, max(n // 3, 1), n).astype(np.int32)
    order, tiles = tiles_of(example, positions, box, molecule, radius)
    assert sorted(np.asarray(order).ravel()) == [-1] * (order.size - n) + list(range(n))

    found = [tuple(pair) for pair in pairs_of(order, tiles)]
    assert len(found) == len(set(found))
    i, j = np.triu_indices(n, 1)
    d = positions[i] - positions[j]
    near = np.linalg.norm(d - box * np.round(d / box), axis=1) < radius
    other = molecule[i] != molecule[j]
    assert set(zip(i[near & other], j[near & other], strict=True)) <= set(found)
    assert set(found) <= set(zip(i[other], j[other], strict=True))


# What is refused


def test_wrong_indices_are_refused(example, model):
    good = list(random_case({"n": 6, "clusters": 2, "m": 3}))
    order, tiles = good[5], good[6]
    beyond, negative = order.copy(), order.copy()
    beyond[0, 0], negative[0, 0] = 6, -2
    outside, empty = tiles.copy(), tiles.copy()
    outside[1, 1], empty[1, 2] = 2, 0xFFFF
    for at, wrong, message in (
        (5, beyond, "order has the atom 6 at place 0"),
        (5, negative, "order has the atom -2 at place 0"),
        (6, outside, "expected clusters from 0 to 1"),
        (6, -tiles, "expected clusters from 0 to 1"),
        (6, empty, "none for a place without an atom"),
    ):
        inputs = [*good[:at], wrong, *good[at + 1 :]]
        with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match=f"pairs: .*{message}"):
            jax.block_until_ready(example.pairs(*inputs, **model))
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match="expected cutoff > 0"):
        jax.block_until_ready(example.pairs(*good, **{**model, "alpha": 100.0}))


def test_nonsense_makes_nan_of_its_frame_alone(example, model):
    right = random_case({"n": 6, "clusters": 2, "m": 3})
    good = [np.stack([x] * 7) for x in right]
    good[0][1, 4, 1], good[3][2, 2], good[4][3, 1] = np.inf, -1.0, 1.1
    # An atom twice, which is another one missing; and all zeros, as solvers try things out.
    places = np.argwhere(right[5] >= 0)
    good[5][(4, *places[0])] = right[5][tuple(places[1])]
    for x in good:
        x[5] = 0
    energy, forces = jax.vmap(lambda *x: example.pairs(*x, **model))(*good)
    expected = example.pairs(*right, **model)
    for frame in range(7):
        if frame in (0, 6):
            assert energy[frame] == expected[0]
            assert np.array_equal(forces[frame], expected[1])
        else:
            assert np.isnan(energy[frame])
            assert np.isnan(forces[frame]).all()


def test_builder_refuses(example):
    water = example.water.water_box(64)
    where = (water.positions, water.box, water.molecule)
    needed = int(example.count_tiles(*where, radius=0.6))
    message = f"room for {needed - 1} tiles; {needed} are needed"
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match=message):
        jax.block_until_ready(example.build_tiles(*where, radius=0.6, room=needed - 1))
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match="twice the radius of 0.7"):
        jax.block_until_ready(example.count_tiles(*where, radius=0.7))


# OpenMM


def test_openmm_stored(example):
    """Direct space of PME by OpenMM's Reference platform; the file says version, command, date."""
    stored = json.loads((Path(__file__).parent / "data" / "pairs_openmm.json").read_text())
    positions = np.array(stored["positions"])
    n, box = len(positions), np.full(3, stored["box"])
    tip3p = example.water.water_box(n // 3)
    tiles = tiles_of(example, positions, box, tip3p.molecule, stored["cutoff"])
    energy, forces = example.pairs(
        positions, tip3p.charge, tip3p.sigma, tip3p.epsilon, box, *tiles,
        cutoff=stored["cutoff"], alpha=stored["alpha"], coulomb=example.COULOMB,
    )  # fmt: skip
    assert float(energy) == pytest.approx(stored["energy"], rel=2e-6)
    # Forces are stored to 1e-3 kJ/(mol nm), 2e-6 of their size.
    assert relative(forces, stored["forces"]) < SINGLE


def test_example_runs():
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py")], capture_output=True, text=True, check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1].split()
    # Noise of single precision in the energies, divided by their sensitivity.
    assert max(float(word) for word in last if word[0].isdigit()) < 1e-6


@pytest.mark.peers
def test_openmm_live_and_large():
    """24k atoms beside OpenMM: `benchmarks/native_pairs.py --check` prints the differences."""
    pytest.importorskip("openmm")
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "native_pairs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()[-1].split()
    energy, forces = float(words[-3]), float(words[-1])
    # Terms of both signs cancel in the energy of molecules turned at random: OpenMM's CPU platform
    # is 2e-6 off as well.
    assert energy < 5e-6
    assert forces < SINGLE
