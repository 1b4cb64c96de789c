"""The result of a fit: everything a report needs."""

import json

import numpy as np
import pytest

from gradion.fit import LevenbergMarquardt, Problem, Role, Verdict, fit
from gradion.module import load_state, save_state


@pytest.fixture(scope="module")
def result(kit):
    return fit(kit.decay_problem())


def test_parameters(result):
    a, k, c = result.parameters
    assert (a.name, a.unit, a.start, a.bounds, a.source) == (
        "a",
        "V",
        1.0,
        (0.1, 9.0),
        "a made-up table",
    )
    for parameter, true in zip((a, k, c), (2.0, 1.3, 0.3), strict=True):
        assert abs(parameter.fitted - true) < 4.0 * parameter.standard_error
        assert parameter.interval[0] < parameter.fitted < parameter.interval[1]
        assert parameter.verdict is Verdict.IDENTIFIABLE
        assert not parameter.at_bound
    assert float(result.module.k) == k.fitted


def test_data_sets(result, kit):
    first, second, third = result.datasets
    assert [d.role for d in result.datasets] == [Role.FIT, Role.FIT, Role.VALIDATE]
    assert first.rms_before > 0.1
    for d in (first, second, third):
        assert d.rms_after == pytest.approx(0.01, rel=0.3)
    np.testing.assert_allclose(first.before, np.exp(-0.5 * first.inputs) + 0.1, rtol=1e-12)
    assert first.after.shape == first.measured.shape == first.weights.shape
    assert 10 < first.effective_count <= 50
    assert np.isnan(third.effective_count)


def test_history(result):
    numbers = [item.number for item in result.iterations]
    assert numbers == list(range(len(numbers)))
    assert result.iterations[0].cost == pytest.approx(result.cost_before)
    assert result.iterations[-1].cost == result.cost_after
    assert result.is_success
    assert result.timings.total > 0.0
    assert "LevenbergMarquardt" in result.settings["optimiser"]


def test_progress_sees_every_iteration(kit, result):
    seen = []
    fit(kit.decay_problem(), progress=seen.append)
    assert [(i.number, i.cost) for i in seen] == [(i.number, i.cost) for i in result.iterations]


def test_json_is_strict_and_complete(result):
    def refuse(constant):
        raise AssertionError(constant)

    known = json.loads(result.to_json(), parse_constant=refuse)
    assert known["parameters"][1]["fitted"] == result.parameters[1].fitted
    assert known["parameters"][1]["verdict"] == "identifiable"
    assert known["parameters"][2]["bounds"] is None
    assert known["datasets"][2]["role"] == "validate"
    assert known["datasets"][2]["effective_count"] is None
    assert known["termination"] == result.termination.name.lower()
    assert known["message"] == result.termination.message
    assert len(known["uncertainty"]["robust"]["covariance"]) == 3


def test_the_fitted_module_saves_and_loads(result, kit, tmp_path):
    save_state(result.module, tmp_path / "state.safetensors")
    other = kit.Decay()
    load_state(other, tmp_path / "state.safetensors")
    assert float(other.k) == float(result.module.k)


def test_twice_is_bit_for_bit_the_same(kit, result):
    again = fit(kit.decay_problem(), optimiser=LevenbergMarquardt())
    assert [p.fitted for p in again.parameters] == [p.fitted for p in result.parameters]
    np.testing.assert_array_equal(
        again.uncertainty.robust.covariance, result.uncertainty.robust.covariance
    )


def test_rms_of_a_point_of_the_history(kit, result):
    problem = kit.decay_problem()
    assert problem.rms(result.iterations[-1].z)["first"] == result.datasets[0].rms_after


def test_held_parameters_stay(kit):
    problem = Problem(kit.Decay(k=1.2), ["*"], [kit.decay_data()], held=["k"])
    result = fit(problem)
    assert [p.label for p in result.parameters] == ["a", "c"]
    assert float(result.module.k) == 1.2
