"""`gradion kernels`."""

from __future__ import annotations

import json

import pytest

NAME = "numerics.segment_sum"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "cache"))


def _state(run) -> str:
    status, out, _ = run("kernels", "list", "--json")
    assert status == 0
    return {row["name"]: row["state"] for row in json.loads(out)}[NAME]


def test_build_list_and_clean(run):
    assert _state(run) == "not built"
    status, out, _ = run("kernels", "build", NAME)
    assert status == 0
    assert f"{NAME}: built in " in out
    assert _state(run) == "built"
    status, out, _ = run("kernels", "build")
    assert "was built" in out
    status, out, _ = run("kernels", "clean", NAME)
    assert (status, out.split(" from ")[0]) == (0, "removed 1 build")
    assert _state(run) == "not built"


def test_the_table_for_people_has_all(run):
    status, out, _ = run("kernels", "list")
    assert status == 0
    assert NAME in out


def test_without_a_compiler_the_list_says_so_and_build_says_what_to_do(run, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    assert _state(run) == "no compiler: runs on its reference"
    status, _, err = run("kernels", "build")
    assert status == 2
    assert err.count("\n") == 1
    assert "pip install ziglang" in err


def test_a_build_that_fails_shows_the_compilers_lines(run, monkeypatch):
    monkeypatch.setenv("CXX", "c++ -include no_such_header.h")
    status, _, err = run("kernels", "build", NAME)
    assert status == 2
    assert "error:" in err
    assert err.rstrip().splitlines()[-1].startswith(f"gradion kernels build: not built: {NAME}")


def test_an_unknown_name_lists_those_there_are(run):
    for verb in ("build", "check", "clean"):
        status, _, err = run("kernels", verb, "segment")
        assert status == 2
        assert NAME in err


def test_names_and_all_contradict(run):
    status, _, err = run("kernels", "clean", NAME, "--all")
    assert status == 2
    assert "not both" in err


def test_a_failed_check_has_status_1(run, monkeypatch):
    from gradion.extension import CheckReport, CheckRow
    from gradion.extension.kernel import Kernel

    outcome = CheckReport(NAME, (CheckRow("value", "example 1", False),))
    monkeypatch.setattr(Kernel, "check", lambda self: outcome)
    status, _, err = run("kernels", "check", NAME)
    assert status == 1
    assert f"failed: {NAME}" in err
