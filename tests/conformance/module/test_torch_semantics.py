"""Scripts run on gradion, against what torch made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import module_cases
import pytest

STORED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "torch_2_13.json").read_text(encoding="utf-8")
)
OUTCOMES: dict[str, Any] = STORED["outcomes"]


@pytest.fixture(scope="module")
def gradion() -> Any:
    from module_cases import gradion_library

    return gradion_library.library()


@pytest.fixture(scope="module")
def outcome(gradion: Any) -> Any:
    """Outcome on gradion by name, as it would be stored."""
    return lambda name: json.loads(json.dumps(module_cases.run(name, gradion)))


SAME = [name for name, case in module_cases.CASES.items() if case.differs is None]
DIFFERENT = [name for name, case in module_cases.CASES.items() if case.differs is not None]


@pytest.mark.parametrize("name", SAME)
def test_outcome_is_that_of_torch(name: str, outcome: Any) -> None:
    assert module_cases.difference(OUTCOMES[name], outcome(name)) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_outcome_is_the_documented_one(name: str, outcome: Any) -> None:
    ours = json.loads(json.dumps(module_cases.CASES[name].ours))
    assert module_cases.difference(ours, outcome(name)) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_documented_difference_is_one(name: str) -> None:
    # A reason that has gone stale would hide that both agree.
    ours = json.loads(json.dumps(module_cases.CASES[name].ours))
    assert module_cases.difference(OUTCOMES[name], ours) is not None


def test_stored_outcomes_are_those_of_the_scripts() -> None:
    assert list(OUTCOMES) == list(module_cases.CASES)


def test_stored_outcomes_say_where_they_come_from() -> None:
    assert (STORED["program"], STORED["version"]) == ("torch", "2.13.0")
    assert STORED["command"].startswith("python tools/oracles/torch_module.py")
    assert STORED["date"] == "2026-11-22"


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1.0, 1.00001),
        (1, 1.0),
        (1, True),
        (None, 0.0),
        ([1.0, 2.0], [1.0]),
        (["a", "b"], ["b", "a"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": [1.0]}, {"a": [1.001]}),
        ({"raises": ["KeyError", "LookupError"]}, {"raises": ["LookupError"]}),
        ({"raises": ["KeyError"]}, ["raises"]),
        ({"raises": ["KeyError"]}, None),
        (None, {"raises": ["KeyError"]}),
    ],
)
def test_comparison_sees_a_difference(expected: Any, got: Any) -> None:
    assert module_cases.difference(expected, got) is not None


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1.0, 1.0000001),
        ([1, None, "x"], [1, None, "x"]),
        ({"raises": ["RuntimeError"]}, {"raises": ["ValueError", "RuntimeError"]}),
    ],
)
def test_comparison_lets_round_off_and_derived_errors_pass(expected: Any, got: Any) -> None:
    assert module_cases.difference(expected, got) is None


def test_script_that_compares_nothing_is_refused(gradion: Any) -> None:
    with pytest.raises(TypeError, match="what of it counts"):
        gradion.plain([object()])
