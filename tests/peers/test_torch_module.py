"""torch live, against the stored outcomes that the conformance tests of the Module rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from oracles import torch_module

STORED: dict[str, Any] = json.loads(
    (torch_module.SCRIPTS / "torch_2_13.json").read_text(encoding="utf-8")
)

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(torch_module.as_text(torch_module.oracle_values("today")))
    return made


def test_scripts_are_where_the_program_looks(live: dict[str, Any]) -> None:
    assert Path(torch_module.SCRIPTS, "module_cases").is_dir()
    assert list(live["outcomes"]) == list(STORED["outcomes"])


def test_version_and_names(live: dict[str, Any]) -> None:
    assert (live["version"], live["names"]) == (STORED["version"], STORED["names"])


@pytest.mark.parametrize("name", list(STORED["outcomes"]))
def test_outcome_is_the_stored_one(name: str, live: dict[str, Any]) -> None:
    import module_cases

    found = module_cases.difference(STORED["outcomes"][name], live["outcomes"][name])
    assert found is None
