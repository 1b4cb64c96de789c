"""Runs with cut-offs: how they end, what they hold, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.cell import simulation
from gradion.cell.models import SPM, SPMe, build_cell
from gradion.cell.parameters import load_parameters
from gradion.cell.profile_positions import profile_positions
from gradion.cell.protocols import ConstantCurrent, LowerVoltage, UpperTemperature
from gradion.cell.simulation import simulate
from gradion.foundation.constants import F
from gradion.foundation.errors import InputError
from gradion.numerics.integrate import IntegrationError, Status

ONE_C = ConstantCurrent(2.28)


@pytest.fixture(scope="module")
def model():
    return SPM(build_cell(load_parameters("ai2020"), isothermal=True), n_r=8)


@pytest.fixture(scope="module")
def result(model):
    return simulate(model, ONE_C)


def test_run_ends_where_the_voltage_limit_is_met(result):
    assert result.succeeded
    assert result.status is Status.STOPPED_BY_EVENT
    assert result.reason == "lower voltage limit of 3 V reached"
    # The event is located to 1e-12 of a step; the voltage moves by 1 mV/s there.
    assert float(result.dataset["voltage"][-1]) == pytest.approx(3.0, abs=1e-9)
    assert result.check() is result


def test_voltage_is_the_sum_of_its_parts_and_all_have_units(result):
    data = result.dataset
    parts = ("open_circuit", "reaction", "concentration", "electrolyte_ohmic", "solid_ohmic")
    total = sum(data[name] for name in (*parts, "contact"))
    np.testing.assert_allclose(total, data["voltage"], rtol=1e-14)
    assert all(data[name].attrs["units"] for name in (*data.data_vars, *data.coords))
    assert np.all(np.diff(data["time"]) > 0.0)
    assert data["time"].size == 200


def test_lithium_leaves_one_particle_for_the_other(model, result):
    data, cell, mesh = result.dataset, model.cell, model.mesh
    charge = 2.28 * float(data["time"][-1])
    for side, electrode, sign in (
        ("negative", cell.negative, -1.0),
        ("positive", cell.positive, 1.0),
    ):
        c_s = data[f"c_s_{side}"].values
        mean = 3.0 * (c_s @ mesh.volumes)
        volume = float(electrode.active_fraction * electrode.thickness * cell.area)
        moved = sign * (mean[-1] - mean[0]) * volume * F
        # Fluxes cancel in the finite volumes: only the time integration's error is left.
        assert moved == pytest.approx(charge, rel=1e-6)


def test_other_rates_and_limits_compile_nothing(model, result):
    before = simulation._run._cache_size()
    twice = simulate(model, ConstantCurrent.at_c_rate(model.cell, 2.0), until=(LowerVoltage(3.2),))
    assert twice.reason == "lower voltage limit of 3.2 V reached"
    assert float(twice.dataset["time"][-1]) < float(result.dataset["time"][-1]) / 2.0
    assert simulation._run._cache_size() == before


def test_end_time_and_asked_times(model):
    run = simulate(model, ONE_C, t_end=600.0)
    assert run.status is Status.COMPLETED
    assert float(run.dataset["time"][-1]) == 600.0
    # As many as there are by default, so that nothing is compiled for them.
    times = np.linspace(0.0, 600.0, 199)
    asked = simulate(model, ONE_C, times=times)
    np.testing.assert_array_equal(asked.dataset["time"], times)
    late = simulate(model, ONE_C, times=[*times[:-1], 90_000.0])
    assert late.status is Status.STOPPED_BY_EVENT
    assert late.dataset["time"].size == times.size
    assert float(late.dataset["time"][-1]) < 4500.0
    # The last steps before 600 s end there in one run and not in the other.
    early = times < 101.0
    np.testing.assert_allclose(asked.dataset["voltage"][early], late.dataset["voltage"][early])


def test_failure_on_the_way_gives_what_there_is(model):
    run = simulate(model, ONE_C, settings=replace(simulation._SETTINGS, max_steps=8))
    assert not run.succeeded
    assert "used up its steps" in run.reason
    assert 0.0 < float(run.dataset["time"][-1]) < 3600.0
    assert np.all(np.isfinite(run.dataset["voltage"]))
    with pytest.raises(IntegrationError, match="used up its steps"):
        run.check()


def test_no_limit_reached_by_a_run_without_cutoffs_is_no_error(model):
    run = simulate(model, ONE_C, until=(), t_end=60.0)
    assert run.reason == "reached the end time"


@pytest.mark.parametrize("current", [0.0, -1.0, math.nan, math.inf])
def test_current_must_be_positive(current):
    with pytest.raises(InputError, match="expected a positive one"):
        ConstantCurrent(current)


def test_c_rate_is_by_nominal_capacity(model):
    assert ConstantCurrent.at_c_rate(model.cell, 0.5).current == pytest.approx(1.14)
    with pytest.raises(InputError, match="C-rate"):
        ConstantCurrent.at_c_rate(model.cell, 0.0)


@pytest.mark.parametrize("t_end", [0.0, -5.0, math.nan])
def test_end_time_must_be_positive(model, t_end):
    with pytest.raises(InputError, match="t_end"):
        simulate(model, ONE_C, t_end=t_end)


@pytest.mark.parametrize("times", [[], [5.0, 4.0], [-1.0, 4.0], [0.0, math.nan]])
def test_times_must_grow(model, times):
    with pytest.raises(InputError, match="times"):
        simulate(model, ONE_C, t_end=10.0, times=times)


def test_limit_above_the_first_voltage_is_refused(model):
    with pytest.raises(InputError, match="the run begins 0.[0-9]+ V beyond it"):
        simulate(model, ONE_C, until=(LowerVoltage(4.5),))


def test_margin_of_a_temperature_limit(model):
    u = model.initial_state()
    margin = UpperTemperature.margin(model, u, jnp.asarray(1.0), jnp.asarray(310.0))
    assert float(margin) == pytest.approx(310.0 - 298.15)


def test_positions_of_profiles():
    cell = build_cell(load_parameters("ai2020"), isothermal=True)
    positions = profile_positions(SPMe(cell, n_r=8, n_x=(3, 2, 4)))
    layers = (cell.negative, cell.separator, cell.positive)
    total = sum(float(layer.thickness) for layer in layers)
    assert positions.x.size == 9
    assert np.all(np.diff(positions.x) > 0.0)
    assert positions.x[0] == pytest.approx(float(cell.negative.thickness) / 6.0)
    assert positions.x[-1] == pytest.approx(total - float(cell.positive.thickness) / 8.0)
    assert positions.r_positive[-1] < float(cell.positive.particle_radius)


def test_csv_holds_units_and_reason(result, tmp_path):
    path = tmp_path / "run.csv"
    result.to_csv(path)
    lines = path.read_text().splitlines()
    assert "# reason: lower voltage limit of 3 V reached" in lines
    names = next(line for line in lines if not line.startswith("#")).split(",")
    table = np.loadtxt(path, delimiter=",", skiprows=len(lines) - 200)
    assert names[:3] == ["time_s", "voltage_V", "current_A"]
    np.testing.assert_allclose(table[:, 1], result.dataset["voltage"], rtol=1e-9)


def test_plot_is_written(result, tmp_path):
    path = tmp_path / "run.png"
    figure = result.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:3] == ["Voltage", "Losses", "Temperature"]
