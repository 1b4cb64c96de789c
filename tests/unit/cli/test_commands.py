"""The command in this process: what it prints, with which exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gradion
from gradion.cli import main as main_module

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "enertech" / "fit.toml"


def test_version(run):
    assert run("--version") == (0, f"gradion {gradion.__version__}\n", "")


@pytest.mark.parametrize("verb", [(), ("fit",), ("simulate",), ("info",)])
def test_help_teaches(run, verb):
    status, out, _ = run(*verb, "--help")
    assert status == 0
    assert "Usage: gradion" in out
    assert "gradion simulate" in out or "Examples" in out


def test_info_as_json(run):
    status, out, _ = run("info", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["gradion"] == gradion.__version__
    assert found["x64"] is True
    assert "ai2020" in found["parameter_sets"]
    assert found["packages"]["jax"]


def test_info_for_people(run):
    status, out, _ = run("info")
    assert status == 0
    assert "devices" in out


def test_simulate(run, tmp_path):
    table, figure = tmp_path / "run.csv", tmp_path / "run.png"
    options = ("--model", "SPM", "--isothermal", "--json")
    files = ("--output", str(table), "--plot", str(figure))
    status, out, err = run("simulate", "ai2020", "--c-rate", "1", *options, *files)
    assert status == 0
    found = json.loads(out)
    assert found["succeeded"] is True
    assert found["voltage_V"] == pytest.approx(3.0, abs=1e-6)
    assert err.startswith("reading the parameter set ai2020")
    assert table.read_text().startswith("# model: SPM")
    assert figure.read_bytes().startswith(b"\x89PNG")
    # Again, for people, with what was compiled.
    status, out, _ = run("simulate", "--model", "SPM", "--isothermal", "--current-a", "2.28")
    assert status == 0
    assert "lower voltage limit of 3 V reached" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("simulate", "ai2021"), "unknown parameter set 'ai2021'; did you mean 'ai2020'?"),
        (("simulate", "--model", "DFN"), "--model: unknown model 'DFN'"),
        (("simulate", "--c-rate", "-1"), "C-rate: got -1; expected a positive number"),
        (("simulate", "--c-rate", "1", "--current-a", "1"), "got both --c-rate and --current-a"),
        (("simulate", "--current-a", "0"), "current: got 0 A"),
        (("simulate", "--t-end-s", "0"), "t_end: got 0 s"),
        (("simulate", "absent.json"), "absent.json: cannot be read"),
        (("fit", "absent.toml"), "absent.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, arguments, expected):
    status, _, err = run(*arguments)
    assert status == 2
    assert err.splitlines()[-1].startswith(expected)
    assert "Traceback" not in err


def test_unknown_option_is_status_2(run):
    status, _, err = run("fit", "x.toml", "--no-such-option")
    assert status == 2
    assert "No such option" in err


def test_output_folder_in_use(run, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    status, _, err = run("fit", str(EXAMPLE), "--output", str(tmp_path))
    assert status == 2
    assert err == (
        f"{tmp_path}: the output folder is not empty; add --resume to go on, --overwrite to "
        "replace the report, or --output DIR\n"
    )
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_output_folder_is_a_file(run, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    status, _, err = run("fit", str(EXAMPLE), "--output", str(path))
    assert (status, err) == (2, f"{path}: is no folder\n")


def test_bugs_keep_their_traceback(run, monkeypatch):
    def bug(**_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(main_module, "app", bug)
    with pytest.raises(RuntimeError, match="a bug"):
        run("info")
