"""Programs of graphs in gradion, against what TensorFlow 1 made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import graph_cases
import pytest

STORED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "tensorflow_2_21.json").read_text(encoding="utf-8")
)
OUTCOMES: dict[str, Any] = STORED["outcomes"]
SAME = [name for name, case in graph_cases.CASES.items() if case.differs is None]
DIFFERENT = [name for name, case in graph_cases.CASES.items() if case.differs is not None]


def _ours(name: str) -> Any:
    """gradion's outcome, as it would be stored."""
    return json.loads(json.dumps(graph_cases.run_gradion(name)))


@pytest.mark.parametrize("name", SAME)
def test_outcome_is_that_of_tensorflow(name: str) -> None:
    assert graph_cases.difference(OUTCOMES[name], _ours(name)) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_outcome_is_the_documented_one(name: str) -> None:
    expected = json.loads(json.dumps(graph_cases.CASES[name].ours))
    assert graph_cases.difference(expected, _ours(name)) is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_documented_difference_is_one(name: str) -> None:
    # A reason that has gone stale would hide that both agree.
    expected = json.loads(json.dumps(graph_cases.CASES[name].ours))
    assert graph_cases.difference(OUTCOMES[name], expected) is not None


def test_stored_outcomes_are_those_of_the_cases() -> None:
    assert list(OUTCOMES) == list(graph_cases.CASES)


def test_stored_outcomes_say_where_they_come_from() -> None:
    assert (STORED["program"], STORED["version"]) == ("tensorflow-cpu, tf.compat.v1", "2.21.0")
    assert STORED["command"].startswith("python tools/oracles/tensorflow_graphs.py")
    assert STORED["date"] == "2026-11-24"


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ({"float64[]": 1.0}, {"float64[]": 1.0 + 1e-12}),
        ({"float64[]": 1.0}, {"float32[]": 1.0}),
        ({"float64[1]": [1.0]}, {"float64[]": 1.0}),
        ({"float64[2]": [1.0, 2.0]}, {"float64[2]": [2.0, 1.0]}),
        ({"float64[2]": [0.0, 1.0]}, {"float64[2]": [-0.0, 1.0]}),
        ({"float64[]": float("nan")}, {"float64[]": 0.0}),
        ({"float64[]": float("inf")}, {"float64[]": 1e308}),
        ({"int32[]": 1}, {"int32[]": 2}),
        ({"bool[]": True}, {"bool[]": False}),
        ([1], (1,)),
        ({"tuple": [None]}, [None]),
        ({"tuple": [None]}, {"Pair": [None]}),
        ({"dict": {"a": 1, "b": 2}}, {"dict": {"b": 2, "a": 1}}),
        ({"raises": "unfed"}, {"raises": "ValueError"}),
        ({"raises": "unfed"}, None),
        (None, False),
        (1, True),
    ],
)
def test_comparison_sees_a_difference(expected: Any, got: Any) -> None:
    assert graph_cases.difference(expected, got) is not None


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ({"float64[2]": [1.0, 1e-20]}, {"float64[2]": [1.0 + 1e-15, 0.0]}),
        ({"float32[]": 1.0}, {"float32[]": 1.0 + 1e-7}),
        (
            {"float64[2]": [float("nan"), -float("inf")]},
            {"float64[2]": [float("nan"), -float("inf")]},
        ),
        ({"raises": "unfed"}, {"raises": "unfed"}),
    ],
)
def test_comparison_lets_round_off_pass(expected: Any, got: Any) -> None:
    assert graph_cases.difference(expected, got) is None


def test_case_that_compares_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="what of it counts"):
        graph_cases.plain([object()])
