"""TensorFlow live, against the stored outcomes that the tests of graphs rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from oracles import tensorflow_graphs

STORED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "tensorflow_2_21.json").read_text(encoding="utf-8")
)

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        tensorflow_graphs.as_text(tensorflow_graphs.oracle_values("today"))
    )
    return made


def test_cases_are_where_the_program_looks(live: dict[str, Any]) -> None:
    assert Path(tensorflow_graphs.CASES_FOLDER, "graph_cases").is_dir()
    assert list(live["outcomes"]) == list(STORED["outcomes"])


def test_version(live: dict[str, Any]) -> None:
    assert (live["program"], live["version"]) == (STORED["program"], STORED["version"])


@pytest.mark.parametrize("name", list(STORED["outcomes"]))
def test_outcome_is_the_stored_one(name: str, live: dict[str, Any]) -> None:
    import graph_cases

    found = graph_cases.difference(STORED["outcomes"][name], live["outcomes"][name])
    assert found is None
