"""Fit files: what is understood, and one line for each thing that cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from gradion.cell.fit_setup import build_datasets, build_model, build_problem, trapezoid_weights
from gradion.cell.io.fit_file import ModelKind, read_fit_file
from gradion.cell.models import SPM, SPMe
from gradion.fit import Role
from gradion.foundation.errors import InputError

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "enertech" / "fit.toml"
TEXT = """\
[model]
kind = "SPM"
parameters = "ai2020"
thermal = "isothermal"
mesh = { n_r = 6 }

[[data]]
file = "a.csv"
c_rate = 1.0
min_time_s = 1.0

[[data]]
file = "b.csv"
current_A = 4.56
role = "validate"

[[parameter]]
name = "cell.negative.D_s.value"
bounds = [1e-10, 1e-8]
unit = "cm^2/s"
start = 1e-9
prior = { median = 2e-9, sigma = 1.0 }

[[parameter]]
name = "cell.*.active_fraction"
bounds = [0.3, 0.9]

[fit]
max_iterations = 5
"""
CURVE = "time_s,voltage_V\n0,4.1\n1,4.0\n3,3.9\n4,3.8\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text(CURVE)
    (tmp_path / "b.csv").write_text(CURVE + "9,3.7\n")
    return tmp_path


def write(folder: Path, text: str = TEXT) -> Path:
    path = folder / "fit.toml"
    path.write_text(text)
    return path


def error_of(folder: Path, old: str, new: str) -> str:
    assert old in TEXT
    path = write(folder, TEXT.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        build_problem(read_fit_file(path))
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(str(folder) + "/", "")


def test_problem_of_a_file(folder):
    problem = build_problem(read_fit_file(write(folder)))
    assert set(problem.labels) == {
        "cell.negative.D_s.value",
        "cell.negative.active_fraction",
        "cell.positive.active_fraction",
    }
    first, second = problem.datasets
    assert (first.name, first.role, second.role) == ("a", Role.FIT, Role.VALIDATE)
    assert float(first.inputs.current) == pytest.approx(2.28)
    assert float(second.inputs.current) == pytest.approx(4.56)
    # Padded to equal lengths; what was added counts nowhere.
    assert first.measured.shape == second.measured.shape == (3,)
    assert first.count == second.count == 3
    parameter = problem.module.get_parameter("cell.negative.D_s.value")
    assert parameter.bounds == pytest.approx((1e-14, 1e-12))
    assert float(parameter.value) == pytest.approx(1e-13)
    assert parameter.prior.median == pytest.approx(2e-13)


def test_shorter_curves_are_padded_with_no_weight(folder):
    (folder / "b.csv").write_text(CURVE + "9,3.7\n10,3.6\n")
    first, second = build_problem(read_fit_file(write(folder))).datasets
    assert first.measured.size == second.measured.size == 4
    assert (first.count, second.count) == (3, 4)
    np.testing.assert_array_equal(first.inputs.times, [1.0, 3.0, 4.0, 4.0])


def test_weights_make_the_rms_uniform_in_time(folder):
    first, _ = build_problem(read_fit_file(write(folder))).datasets
    # Times 1, 3, 4: the points stand for 1, 1.5 and 0.5 s.
    np.testing.assert_allclose(first.weights / first.weights.sum(), np.array([1.0, 1.5, 0.5]) / 3)
    by_points = TEXT.replace("[fit]", '[fit]\nweighting = "points"')
    first, _ = build_problem(read_fit_file(write(folder, by_points))).datasets
    np.testing.assert_allclose(first.weights, 1.0)


def test_trapezoid_weights_integrate():
    times = np.array([0.0, 1.0, 4.0, 5.0])
    assert trapezoid_weights(times) @ (2.0 * times) == pytest.approx(25.0)


def test_model_of_a_file(folder):
    assert isinstance(build_model(read_fit_file(write(folder))), SPM)
    assert build_model(read_fit_file(write(folder))).mesh.n == 6
    example = read_fit_file(EXAMPLE)
    assert example.content.model.kind is ModelKind.SPME
    assert isinstance(build_model(example), SPMe)


def test_example_is_a_problem():
    problem = build_problem(read_fit_file(EXAMPLE))
    assert {d.name for d in problem.datasets} == {"0.5C", "1C", "2C"}
    assert len({d.measured.size for d in problem.datasets}) == 1


def test_temperature_is_measured_above_the_start(folder):
    (folder / "a.csv").write_text("time_s,temperature_rise_K\n0,0\n1,0.5\n2,1\n3,1.5\n")
    text = TEXT.replace("c_rate = 1.0", 'c_rate = 1.0\nquantity = "temperature"')
    first, _ = build_problem(read_fit_file(write(folder, text))).datasets
    assert (first.name, first.unit, first.sigma) == ("a temperature", "K", 0.2)
    assert first.measured[0] == pytest.approx(298.65)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"SPM"', '"SPMM"', "fit.toml:2: model.kind: unknown model 'SPMM'; did you mean 'SPM'"),
        ("kind =", "kin =", "fit.toml:2: model.kin: unknown key 'kin'; did you mean 'kind'?"),
        ("n_r = 6", "nr = 6", "fit.toml:5: model.mesh.nr: unknown key 'nr'; did you mean 'n_r'"),
        ("n_r = 6", "n_r = 1", "fit.toml:5: model.mesh.n_r: "),
        ('"ai2020"', '"ai2002"', "fit.toml:3: model.parameters: unknown parameter set 'ai2002'"),
        ('"ai2020"', '"x.json"', "fit.toml:3: model.parameters: x.json: cannot be read"),
        ('parameters = "ai2020"\n', "", "fit.toml:1: model.parameters: is missing"),
        ('"isothermal"', '"adiabatic"', "fit.toml:4: model.thermal: unknown thermal model"),
        ("c_rate = 1.0", "c_rate = -1.0", "fit.toml:9: data[1].c_rate: got -1; expected a posit"),
        ("current_A = 4.56", "current_A = 0", "fit.toml:14: data[2].current_A: got 0 A"),
        ("c_rate = 1.0", "", "fit.toml:7: data[1]: got neither of c_rate and current_A"),
        ("c_rate = 1.0", "c_rate = 1.0\ncurrent_A = 2.0", "fit.toml:7: data[1]: got both of"),
        ('"validate"', '"validation"', "fit.toml:15: data[2].role: unknown role 'validation'"),
        ('"a.csv"', '"c.csv"', "fit.toml:8: data[1].file: no file 'c.csv'"),
        ("min_time_s = 1.0", "min_time_s = 4.0", "fit.toml:10: data[1].min_time_s: a.csv: 1 poin"),
        ("min_time_s = 1.0", "min_time_s = -1", "fit.toml:10: data[1].min_time_s: "),
        ('"b.csv"', '"b.csv"\nname = "a"', "fit.toml:14: data[2].name: the name 'a' stands twice"),
        ('"validate"', '"fit"\ncolumns = { voltage = "U" }', "b.csv: unknown column 'U'"),
        ("[1e-10, 1e-8]", "[1e-8, 1e-10]", "fit.toml:19: parameter[1].bounds: got 1e-08 and"),
        ("start = 1e-9", "start = 1e-7", "fit.toml:21: parameter[1].start: got 1e-07, outside"),
        ("[0.3, 0.9]", "[0.3, 0.5]", "fit.toml:26: parameter[2].bounds: cell.negative.active_fra"),
        ('"cm^2/s"', '"cm/s"', "fit.toml:20: parameter[1].unit: unit 'cm/s' has dimension"),
        ('"cm^2/s"', '"cmm"', "fit.toml:20: parameter[1].unit: unit 'cmm': unknown name"),
        ("D_s.value", "D_s.valu", "fit.toml:18: parameter[1].name: "),
        ("median = 2e-9", "mean = 2e-9", "fit.toml:22: parameter[1].prior: got the keys mean, si"),
        ("[fit]", "[fiit]", "fit.toml:28: fiit: unknown key 'fiit'; did you mean 'fit'?"),
        ("max_iterations = 5", "max_iterations = 0", "fit.toml:29: fit.max_iterations: "),
        ("max_iterations = 5", "sigma_mV = 0", "fit.toml:29: fit.sigma_mV: "),
        ("[fit]", "[fit", "fit.toml:28: no valid TOML: "),
        ("max_iterations = 5", "max_iterations = ", "fit.toml:29: no valid TOML: "),
    ],
)
def test_errors_are_one_line_with_file_line_and_key(folder, old, new, expected):
    assert error_of(folder, old, new).startswith(expected)


def test_current_of_the_file_must_be_the_stated_one(folder):
    (folder / "a.csv").write_text("time_s,voltage_V,I\n0,4,1\n1,4,1\n2,4,1\n3,4,1\n")
    found = error_of(folder, "c_rate = 1.0", 'c_rate = 1.0\ncolumns = { current = "I" }')
    assert found.startswith(
        "fit.toml:9: data[1].c_rate: stated are 2.28 A, and the file has 1 to 1"
    )


def test_unknown_parameter_names_its_neighbours(folder):
    found = error_of(folder, "cell.negative.D_s.value", "cell.negative.D_s.vale")
    assert "cell.negative.D_s.value" in found.split(";")[1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"\xff\xfe\x00", "is binary"), (b"", "model: is missing")],
)
def test_files_that_are_no_fit_file(tmp_path, content, expected):
    path = tmp_path / "fit.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        read_fit_file(path)


def test_missing_fit_file(tmp_path):
    with pytest.raises(InputError, match=re.escape("cannot be read (No such file or directory)")):
        read_fit_file(tmp_path / "absent.toml")


def test_shared_parameters_are_one_and_curves_have_their_own_scale(tmp_path):
    file = read_fit_file(EXAMPLE)
    model = build_model(file)
    kinetics = [model.get_parameter(f"cell.{side}.kinetics.k") for side in ("negative", "positive")]
    assert kinetics[0] is kinetics[1]
    sigma = {data.name: data.sigma for data in build_datasets(file, model)}
    assert sigma == {"0.5C": 7.5e-3, "1C": 5e-3, "2C": 5e-3}
    text = EXAMPLE.read_text()
    text = text.replace('file = "', f'file = "{EXAMPLE.parent.as_posix()}/')
    for wrong, message in {
        '["cell.negative.kinetics.k", "cell.positive.thickness"]': "share parameters of one unit",
        '["cell.*.kinetics.k", "cell.positive.kinetics.k"]': "give plain names",
        '["cell.negative.kinetics.q", "cell.positive.kinetics.k"]': "did you mean",
    }.items():
        path = tmp_path / "fit.toml"
        pair = '["cell.negative.kinetics.k", "cell.positive.kinetics.k"]'
        path.write_text(text.replace(pair, wrong))
        with pytest.raises(InputError, match=message):
            build_model(read_fit_file(path))
