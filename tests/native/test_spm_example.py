"""The stiff integrator behind one call: the single particle model of examples/native/spm."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.cell.models import SPM, build_cell
from gradion.cell.parameters import load_parameters
from gradion.extension import check_operator
from gradion.testing import assert_adjoint, assert_gradient, assert_order

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "native" / "spm"
STORED = json.loads((ROOT / "tests/oracle/cell/data/single_particle.json").read_text())

# PyBaMM 26.10.1.1, SPM of Chen2020 at 1C to 2.5 V, 200 and 400 points in each particle, IDAKLU at
# rtol 1e-9 and atol 1e-10, 2026-11-24; by Richardson's extrapolation at order 2.
PYBAMM_END = 3567.6935506 + (3567.6935506 - 3567.6948058) / 3.0


@pytest.fixture(scope="module")
def ex() -> SimpleNamespace:
    """The modules of the example; importing them builds the library."""
    sys.path.insert(0, str(FOLDER))
    try:
        spm, cells = importlib.import_module("spm"), importlib.import_module("cell_groups")
        result, chen = importlib.import_module("spm_result"), importlib.import_module("chen2020")
    finally:
        sys.path.remove(str(FOLDER))
    return SimpleNamespace(
        spm=spm.spm,
        discharge=spm.discharge,
        Settings=spm.Settings,
        groups=cells.groups,
        Groups=cells.Groups,
        Status=result.Status,
        DischargeError=result.DischargeError,
        chen2020=chen.chen2020,
    )


def nonlinear(cell):
    """The cell with diffusivities that depend on the concentration, and a contact resistance."""
    return cell._replace(
        negative=cell.negative._replace(D_s_exponent=jnp.array(0.5)),
        positive=cell.positive._replace(D_s_exponent=jnp.array(-1.0)),
        contact_resistance=jnp.array(0.01),
    )


def diffusion_only(ex, x_start: float, outflow: float):
    """Groups whose voltage is the surface stoichiometry of the positive particle; D / R^2 is 1."""
    zero, pair, four = jnp.zeros(()), jnp.zeros(2), jnp.zeros((4, 2))
    return ex.Groups(
        diffusion=jnp.ones(2),
        exponent=pair,
        outflow=jnp.array([0.0, outflow]),
        initial=jnp.full(2, x_start),
        polarisation=pair,
        offset=jnp.array([x_start, 0.0]),
        linear=jnp.array([0.0, 1.0]),
        amplitude=four,
        steepness=four,
        centre=four,
        thermal=zero,
        drop=jnp.array(-x_start),
        cutoff=jnp.array(-1.0),
    ).theta


def everything(ex, settings, times):
    """Voltages, and the end time in hours, of a cell."""

    def function(cell):
        out = ex.discharge(cell, times, settings=settings)
        return jnp.append(out.voltage, out.t_end / 3600.0)

    return function


# The operator against the reference, and against itself


def test_check_operator(ex):
    """All rows; the nonlinear cell reaches its cut-off and the linear one its last time."""
    times = np.array([900.0, 2500.0, 4000.0])
    examples = [
        (np.asarray(ex.groups(nonlinear(ex.chen2020())).theta), times),
        (np.asarray(ex.groups(ex.chen2020()).theta), times / 1.5),
    ]

    def make(sizes):
        # Every other size compiles the reference anew, for half a minute: see the next test.
        if sizes["n_times"]:
            raise ValueError("compared with a longer call")
        return examples[0][0], np.zeros(0)

    # Both take the same steps, so that they differ by round-off, which the smallest of the
    # derivatives amplify a thousandfold.
    attributes = asdict(ex.Settings(n_shells=6))
    report = check_operator(ex.spm, *examples, attributes=attributes, make=make, rtol=1e-9)
    report.raise_failures()


@pytest.mark.parametrize("count", [1, 2, 7, 31])
def test_other_numbers_of_times(ex, count):
    """A voltage does not depend on the other output times: bit for bit, derivatives too."""
    times = jnp.sort(jax.random.uniform(jax.random.key(count), (64,), minval=0.0, maxval=4000.0))
    chosen = jnp.sort(jax.random.choice(jax.random.key(1), 63, (count - 1,), replace=False))
    chosen = jnp.append(chosen, 63).astype(int)
    theta = ex.groups(nonlinear(ex.chen2020())).theta
    settings = asdict(ex.Settings(n_shells=8))

    def voltage(theta, times):
        return ex.spm(theta, times, **settings)[0]

    some, some_pushed = jax.jvp(voltage, (theta, times[chosen]), (theta, times[chosen]))
    most, most_pushed = jax.jvp(voltage, (theta, times), (theta, times))
    np.testing.assert_array_equal(some, most[chosen])
    np.testing.assert_array_equal(some_pushed, most_pushed[chosen])
    w = jax.random.normal(jax.random.key(2), (count,))
    pulled = jax.vjp(voltage, theta, times[chosen])[1](w)
    expected = jax.vjp(voltage, theta, times)[1](jnp.zeros(64).at[chosen].set(w))
    np.testing.assert_array_equal(pulled[0], expected[0])
    np.testing.assert_array_equal(pulled[1], expected[1][chosen])


def test_empty_batch(ex):
    theta = jnp.broadcast_to(ex.groups(ex.chen2020()).theta, (0, 41))
    out = jax.vmap(lambda x: ex.spm(x, jnp.array([9.0]), **asdict(ex.Settings())))(theta)
    assert [x.shape for x in out] == [(0, 1), (0,), (0,), (0,)]


# Physics


def test_equals_pybamm(ex):
    curve = STORED["curves"]["chen2020 SPM"]
    out = ex.discharge(ex.chen2020(), curve["time_s"])
    error = 1e3 * (np.asarray(out.voltage) - np.array(curve["voltage_V"]))
    # As in tests/oracle/cell: PyBaMM's surface value does not know the slope of the first instant.
    assert np.sqrt(np.mean(error**2)) < 0.5
    assert np.abs(error[1:]).max() < 0.6


def test_cut_off_equals_that_of_pybamm(ex):
    settings = ex.Settings(n_shells=384, rtol=1e-9, atol=1e-10)
    out = ex.discharge(ex.chen2020(), [4000.0], settings=settings)
    assert out.status == ex.Status.CUT_OFF
    np.testing.assert_allclose(out.voltage, 2.5, atol=1e-10)
    # PyBaMM adds 1e-6 (1/x + 1/(x - 1)) V to open-circuit potentials, which is 2 ms here.
    np.testing.assert_allclose(out.t_end, PYBAMM_END, atol=4e-3)


@pytest.mark.peers
def test_cut_off_of_pybamm_live():
    pybamm = pytest.importorskip("pybamm")
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM(),
        parameter_values=pybamm.ParameterValues("Chen2020"),
        C_rate=1,
        var_pts={"x_n": 5, "x_s": 5, "x_p": 5, "r_n": 200, "r_p": 200},
        solver=pybamm.IDAKLUSolver(rtol=1e-9, atol=1e-10),
    )
    np.testing.assert_allclose(simulation.solve([0, 4000]).t[-1], 3567.6948058, atol=1e-4)


@pytest.mark.parametrize("x", [(0.9, 0.27), (0.5, 0.5), (0.04, 0.93)])
def test_parameters_are_those_of_the_package(ex, x):
    """At rest everything but diffusion is in the voltage: equal to that of gradion.cell."""
    model = SPM(build_cell(load_parameters("chen2020"), isothermal=True))
    u = jnp.repeat(jnp.array(x), model.mesh.n)
    expected = model.overpotentials(u, jnp.asarray(3.0)).voltage()
    cell = ex.chen2020(0.6)
    cell = cell._replace(
        negative=cell.negative._replace(initial_stoichiometry=x[0]),
        positive=cell.positive._replace(initial_stoichiometry=x[1]),
        cutoff=0.0,
    )
    out = ex.discharge(cell, [0.0, 1e-3])
    np.testing.assert_allclose(out.voltage[0], expected, rtol=1e-13)
    n = model.cell.negative
    np.testing.assert_allclose(
        ex.groups(cell).diffusion[0], n.D_s(jnp.ones(()), 298.15) / n.particle_radius**2
    )


def series(outflow: float, time: float) -> float:
    """Surface value less that of the start: Crank, Mathematics of Diffusion (1975), eq. 6.45."""
    roots = np.array([4.493409457909064, 7.725251836937707, 10.904121659428899, 14.066193912831473])
    return -outflow * (3.0 * time + 0.2 - 2.0 * np.sum(np.exp(-(roots**2) * time) / roots**2))


def test_second_order_in_the_radius(ex):
    times = np.array([0.05, 0.1, 0.3])
    exact = 0.5 + np.array([series(0.2, t) for t in times])
    sizes, errors = [], []
    for n in (12, 24, 48, 96):
        attributes = asdict(ex.Settings(n_shells=n, rtol=1e-11, atol=1e-12, max_steps=4096))
        found = ex.spm(diffusion_only(ex, 0.5, 0.2), times, **attributes)[0]
        sizes.append(1.0 / n)
        errors.append(np.abs(found - exact).max())
    assert_order(sizes, errors, 2.0, within=0.1)


@pytest.mark.parametrize("change", [lambda cell: cell, nonlinear], ids=["linear", "nonlinear"])
def test_fourth_order_in_time(ex, change):
    """Voltages between the steps, which are polynomials there, and the time of the cut-off."""
    cell = change(ex.chen2020())._replace(cutoff=3.9)
    times = np.append(np.linspace(50.0, 230.0, 100), 4000.0)
    lengths = [40.0, 20.0, 10.0, 5.0]

    def run(step):
        # Few shells of one size: the steps resolve all that goes on.
        settings = ex.Settings(n_shells=3, grading=1.0, step=step, max_steps=4096)
        out = ex.discharge(cell, times, settings=settings)
        assert out.status == ex.Status.CUT_OFF
        return out

    exact = run(0.25)
    found = [run(step) for step in lengths]
    assert_order(lengths, [abs(x.t_end - exact.t_end) for x in found], 4.0, within=0.1)
    # The norm of 100 errors depends a little on where the times lie in their steps.
    errors = [jnp.linalg.norm(x.voltage - exact.voltage) for x in found]
    assert_order(lengths, errors, 4.0, within=0.5)


# Derivatives


@pytest.mark.parametrize("end", [3000.0, 4000.0], ids=["last time", "cut-off"])
@pytest.mark.parametrize("change", [lambda cell: cell, nonlinear], ids=["linear", "nonlinear"])
def test_taylor_over_fixed_steps(ex, change, end):
    """Every parameter at once, in proportion to its value; the end time included."""
    cell = change(ex.chen2020())
    # The last step is long enough to hold the end time of every level.
    function = everything(ex, ex.Settings(n_shells=8, step=300.0), jnp.linspace(0.0, end, 13))
    leaves, tree = jax.tree.flatten(cell)
    direction = [x * jax.random.normal(jax.random.key(i), x.shape) for i, x in enumerate(leaves)]

    def along(h):
        moved = [x + h[0] * d for x, d in zip(leaves, direction, strict=True)]
        return function(jax.tree.unflatten(tree, moved))

    assert_gradient(along, jnp.zeros(1), jnp.ones(1), step=2e-4)


@pytest.mark.parametrize("end", [3000.0, 4000.0], ids=["last time", "cut-off"])
@pytest.mark.parametrize("change", [lambda cell: cell, nonlinear], ids=["linear", "nonlinear"])
def test_adjoint(ex, change, end):
    function = everything(ex, ex.Settings(), jnp.linspace(0.0, end, 40))
    assert_adjoint(function, change(ex.chen2020()), jax.random.key(0), rtol=1e-12)


def test_jacobians_of_both_modes(ex):
    """41 tangents in one call against 40 cotangents in one call."""
    theta = ex.groups(nonlinear(ex.chen2020())).theta
    times = jnp.linspace(0.0, 4000.0, 40)

    def voltage(theta):
        return ex.spm(theta, times, **asdict(ex.Settings()))[0]

    forward, reverse = jax.jit(jax.jacfwd(voltage))(theta), jax.jit(jax.jacrev(voltage))(theta)
    # Round-off, against the size of each column.
    size = jnp.abs(forward).max(0)
    size = jnp.where(size > 0.0, size, 1.0)
    np.testing.assert_allclose(forward / size, reverse / size, rtol=0.0, atol=1e-10)


def test_the_end_follows_the_cut_off(ex):
    """At the end dV/dcutoff = 1, dV = 0 by all else, and dt_end/dcutoff = 1 / (dV/dt)."""
    cell, times = ex.chen2020(), jnp.array([3560.0, 4000.0])

    def run(cell):
        out = ex.discharge(cell, times)
        return out.voltage[1], out.t_end

    by_cell = jax.jacrev(lambda cell: run(cell)[0])(cell)
    np.testing.assert_allclose(by_cell.cutoff, 1.0, rtol=1e-10)
    np.testing.assert_allclose(by_cell.current, 0.0, atol=1e-10)
    rate = (run(cell)[1] - run(cell._replace(cutoff=cell.cutoff + 1e-4))[1]) / -1e-4
    found = jax.grad(lambda cell: run(cell)[1])(cell).cutoff
    # A difference over 0.1 mV of a voltage that falls ever faster.
    np.testing.assert_allclose(found, rate, rtol=1e-3)


def test_time_derivative_of_the_voltage(ex):
    """By the output times: the slope of the polynomial, and none after the end."""
    theta, h = ex.groups(ex.chen2020()).theta, 1e-3

    def voltage(times):
        return ex.spm(theta, times, **asdict(ex.Settings()))[0]

    times = jnp.array([100.0, 2000.0, 3500.0, 3700.0, 4000.0])
    slope = jax.jvp(voltage, (times,), (jnp.ones(5),))[1]
    difference = (voltage(times.at[:4].add(h)) - voltage(times.at[:4].add(-h))) / (2.0 * h)
    np.testing.assert_allclose(slope[:4], difference[:4], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(slope[3:], 0.0, atol=1e-12)


# Ends and failures


def test_cut_off_within_the_first_step(ex):
    cell = ex.chen2020()
    start = ex.discharge(cell, [0.0, 1.0]).voltage[0]
    out = ex.discharge(cell._replace(cutoff=start - 1e-5), [0.0, 1.0, 3600.0])
    assert (out.status, out.steps) == (ex.Status.CUT_OFF, 1)
    np.testing.assert_allclose(out.voltage, [start, start - 1e-5, start - 1e-5], rtol=1e-12)
    assert 0.0 < out.t_end < 0.1


def test_cut_off_at_the_end_of_a_step(ex):
    cell, settings = ex.chen2020(), ex.Settings(step=50.0)
    voltage = ex.discharge(cell, [0.0, 1000.0], settings=settings).voltage[1]
    out = ex.discharge(cell._replace(cutoff=voltage), [0.0, 3600.0], settings=settings)
    assert out.status == ex.Status.CUT_OFF
    # Round-off of the voltage over its slope, 0.2 mV/s.
    np.testing.assert_allclose(out.t_end, 1000.0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "change", "settings", "times"),
    [
        ("TOO_MANY_STEPS", {}, {"max_steps": 5}, [3000.0]),
        ("BELOW_CUT_OFF_AT_START", {"cutoff": 4.2}, {}, [3000.0]),
        ("OUT_OF_RANGE", {"cutoff": 0.1, "current": 6.0}, {}, [4000.0]),
        ("OUT_OF_RANGE", {"current": -5.0}, {}, [4000.0]),
        ("NOT_FINITE", {"T": np.nan}, {}, [3000.0]),
        ("NOT_FINITE", {"area": 0.0}, {}, [3000.0]),
        ("BAD_TIMES", {}, {}, [2.0, 1.0]),
        ("BAD_TIMES", {}, {}, [-1.0, 1.0]),
        ("BAD_TIMES", {}, {}, [0.0]),
        ("BAD_TIMES", {}, {}, [np.inf]),
    ],
)
def test_failures(ex, name, change, settings, times):
    status = ex.Status[name]
    cell = ex.chen2020()._replace(**change)
    settings = ex.Settings(**settings)
    with pytest.raises(ex.DischargeError, match="discharge failed") as caught:
        ex.discharge(cell, times, settings=settings)
    assert caught.value.status is status
    assert status.message in str(caught.value)
    out = ex.discharge(cell, times, settings=settings, throw=False)
    assert out.status == status
    assert jnp.all(jnp.isnan(out.voltage))
    assert jnp.isnan(out.t_end)


def test_no_convergence(ex):
    """Diffusivities over hundreds of decades: Newton fails at every length, and says so."""
    cell = ex.chen2020()
    cell = cell._replace(negative=cell.negative._replace(D_s_exponent=jnp.array(-2000.0)))
    out = ex.discharge(cell, [3000.0], throw=False)
    assert not ex.Status(int(out.status)).is_success
    assert jnp.all(jnp.isnan(out.voltage))


def test_a_failure_stays_with_its_example(ex):
    cell, times = ex.chen2020(), jnp.array([1000.0, 3000.0])
    currents = jnp.array([5.0, jnp.nan, 2.5])

    def voltage(current):
        return ex.discharge(cell._replace(current=current), times).voltage

    found, slopes = jax.vmap(lambda i: jax.jvp(voltage, (i,), (jnp.ones(()),)))(currents)
    gradients = jax.vmap(jax.grad(lambda i: voltage(i).sum()))(currents)
    for array in (found, slopes, gradients):
        finite = jnp.isfinite(array.reshape(3, -1))
        np.testing.assert_array_equal(finite.all(1), [True, False, True])
        np.testing.assert_array_equal(finite.any(1), [True, False, True])
    # XLA makes the groups of a cell, and may round them otherwise where it makes several at once.
    np.testing.assert_allclose(found[2], voltage(currents[2]), rtol=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_shells": 2}, "n_shells is 2; expected 3 to 10000"),
        ({"grading": 0.5}, "grading is 0.5"),
        ({"rtol": 0.0}, "rtol is 0"),
        ({"atol": -1.0}, "atol is not positive"),
        ({"step": -1.0}, "step is negative"),
        ({"max_steps": 0}, "max_steps is 0; expected 1"),
    ],
)
def test_wrong_settings(ex, settings, message):
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match=message):
        ex.discharge(ex.chen2020(), [1.0], settings=ex.Settings(**settings))


def test_wrong_size_of_theta(ex):
    with pytest.raises(ValueError, match="'theta' has size 40"):
        ex.spm(jnp.zeros(40), jnp.ones(1), **asdict(ex.Settings()))


# The example


def test_fit(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "fit.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    start, truth, *fits = done.stdout.splitlines()
    noise = float(truth.split("rms")[1].split()[0])
    assert float(start.split("rms")[1].split()[0]) > 50.0 * noise
    assert [line.split()[0] for line in fits] == ["Levenberg-Marquardt", "BFGS"]
    for line in fits:
        # Five parameters take some of the noise away.
        assert 0.9 * noise < float(line.split("rms")[1].split()[0]) < noise
        assert float(line.split("off by")[1].split()[0]) < 1.0


@pytest.mark.parametrize("name", ["fit.py", "spm.py", "chen2020.py", "spm_result.py"])
def test_the_example_is_short(name):
    assert len((FOLDER / name).read_text().splitlines()) < 100
