"""The report of a fit: its files, its numbers, its page."""

from __future__ import annotations

import base64
import json
import math
import re
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.cell.fit_setup import build_model, build_problem
from gradion.cell.io.fit_file import read_fit_file
from gradion.cell.observables import CellTemperature, DischargePoints, DischargeVoltage
from gradion.cell.report import REPORT_FILES, fit_summary, write_fit_report
from gradion.cell.report.number_text import interval_text, number_text
from gradion.fit import IdentifiabilityRule, LevenbergMarquardt, fit
from gradion.module import load_state

# Small, so that it compiles fast. The first file's name would be markup if it were not escaped.
TOML = """\
[model]
kind = "SPM"
parameters = "ai2020"
thermal = "isothermal"
mesh = { n_r = 4 }
[[data]]
file = "a<b>.csv"
c_rate = 1.0
[[data]]
file = "late.csv"
c_rate = 2.0
role = "validate"
[[parameter]]
name = "cell.negative.initial_stoichiometry"
bounds = [0.5, 0.999]
[[parameter]]
name = "cell.positive.active_fraction"
bounds = [0.4, 0.8]
[[parameter]]
name = "cell.separator.thickness"
"""


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fit of curves that the model itself made, with other parameters and a ripple."""
    folder = tmp_path_factory.mktemp("fit")
    path = folder / "fit.toml"
    path.write_text(TOML)
    for name in ("a<b>.csv", "late.csv"):
        (folder / name).write_text("time_s,voltage_V\n2,4\n3,4\n4,4\n")
    model = build_model(read_fit_file(path))
    true = model.with_parameters(
        {"cell.negative.initial_stoichiometry": 0.80, "cell.positive.active_fraction": 0.60}
    )
    times = np.linspace(2.0, 3000.0, 24)
    for name, current in (("a<b>.csv", 2.28), ("late.csv", 4.56)):
        used = times * (2.28 / current)
        points = DischargePoints(jnp.asarray(current), jnp.asarray(used))
        voltage = np.asarray(DischargeVoltage().predict(true, points))
        voltage = voltage + 1e-4 * np.sin(np.arange(used.size))
        rows = [f"{t},{v}" for t, v in zip(used, voltage, strict=True)]
        (folder / name).write_text("# made <here>\ntime_s,voltage_V\n" + "\n".join(rows) + "\n")
    file = read_fit_file(path)
    result = fit(
        build_problem(file),
        optimiser=LevenbergMarquardt(max_iterations=60),
        drop_unidentifiable=IdentifiabilityRule(),
    )
    return file, result


@pytest.fixture(scope="module")
def report(fitted, tmp_path_factory):
    file, result = fitted
    folder = tmp_path_factory.mktemp("report")
    page = write_fit_report(result, file, folder, compilation=1.5)
    return folder, page.read_text(encoding="utf-8")


def test_fit_finds_the_parameters_and_holds_what_has_no_effect(fitted):
    _, result = fitted
    found = {entry.label: entry.fitted for entry in result.parameters}
    assert found["cell.negative.initial_stoichiometry"] == pytest.approx(0.80, abs=2e-3)
    assert found["cell.positive.active_fraction"] == pytest.approx(0.60, abs=2e-3)
    # An SPM has no electrolyte: nothing depends on the separator.
    assert [item.label for item in result.dropped] == ["cell.separator.thickness"]


def test_all_files_are_there_and_no_others(report):
    folder, _ = report
    assert sorted(path.name for path in folder.iterdir()) == sorted(REPORT_FILES)


def test_parameters_file_has_the_numbers(fitted, report):
    _, result = fitted
    content = json.loads((report[0] / "parameters.json").read_text())
    assert content == json.loads(json.dumps(fit_summary(result)))
    assert content["converged"] is True
    first = content["parameters"][0]
    assert first["fitted"] == result.parameters[0].fitted
    assert first["interval_95"][0] < first["fitted"] < first["interval_95"][1]
    assert content["held"][0]["label"] == "cell.separator.thickness"
    rms = {curve["name"]: curve["rms_after"] for curve in content["curves"]}
    assert rms["late"] < 5e-3


def test_state_is_that_of_the_fitted_model(fitted, report):
    file, result = fitted
    model = build_model(file)
    load_state(model, report[0] / "state.safetensors")
    name = "cell.negative.initial_stoichiometry"
    assert model.get_parameter(name).value == result.module.get_parameter(name).value


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.sources += [value for key, value in attrs if key in ("src", "href") and value]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_page_is_well_formed_and_self_contained(report):
    page = _Page()
    page.feed(report[1])
    assert page.open == []
    assert len(page.sources) == 4
    for source in page.sources:
        head, _, data = source.partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")
    assert "http" not in re.sub(r"doi\S*", "", report[1])


def test_page_tells_what_it_must(fitted, report):
    page = _Page()
    page.feed(report[1])
    text = " ".join(page.text.split())
    for word in ("Converged", "Held at their start", "separator.thickness", "95 % interval"):
        assert word in text
    assert "compilation, before the fit" in text
    assert "Ai, Kraft, Sturm, Jossen and Wu" in text
    for entry in fitted[1].parameters:
        assert entry.label.removeprefix("cell.") in text


def test_names_of_files_are_escaped(report):
    assert "a<b>" not in report[1]
    assert "a&lt;b&gt;.csv" in report[1]
    assert "made &lt;here&gt;" in report[1]


def test_report_without_figures(fitted, tmp_path):
    file, result = fitted
    page = write_fit_report(result, file, tmp_path, figures=False)
    assert "<img" not in page.read_text()
    assert not list(tmp_path.glob("*.png"))


def test_temperature_of_an_isothermal_cell(fitted):
    points = DischargePoints(jnp.asarray(2.28), jnp.asarray([2.0, 30.0]))
    rise = CellTemperature().predict(fitted[1].module, points)
    np.testing.assert_allclose(rise, 298.15)


def test_prediction_goes_on_below_the_voltage_limit(fitted):
    points = DischargePoints(jnp.asarray(2.28), jnp.asarray([2.0, 4500.0]))
    voltage = np.asarray(DischargeVoltage().predict(fitted[1].module, points))
    assert np.isfinite(voltage).all()
    assert voltage[-1] < 3.0


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.84, None, "0.8400"),
        (0.808439, 0.0037, "0.8084"),
        (5.437e-12, 2.0e-12, "5.4e-12"),
        (298.15, 0.02, "298.150"),
        (1.2e7, None, "1.200e+07"),
        (0.0, None, "0"),
        (math.nan, None, "-"),
    ],
)
def test_numbers_have_the_digits_that_their_error_allows(value, error, expected):
    assert number_text(value, error) == expected


def test_intervals():
    assert interval_text(0.5, 0.999) == "0.5 to 0.999"
    assert interval_text(-math.inf, math.inf) == "-"
    assert interval_text(0.0, math.inf) == "from 0"
