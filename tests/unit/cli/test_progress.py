"""Progress in its forms."""

from __future__ import annotations

import json
import math

import pytest

from gradion.cli.progress import (
    JsonProgress,
    LiveProgress,
    PlainProgress,
    Row,
    choose_progress,
)

ROW = Row(3, 12.5, {"1C": 4.25}, 1e-3, True, 2.0, 0)
SUMMARY = {
    "message": "the gradient is small",
    "curves": [
        {"name": "1C", "role": "fit", "unit": "V", "rms_before": 0.05, "rms_after": 0.001},
        {"name": "T", "role": "validate", "unit": "K", "rms_before": 2.0, "rms_after": 1.0},
    ],
    "parameters": [
        {
            "label": "cell.k",
            "unit": "1",
            "start": 1.0,
            "fitted": 2.0,
            "standard_error": None,
            "verdict": "at its bound",
        }
    ],
    "held": [{"label": "cell.h", "unit": "W/m^2/K", "value": 35.0, "reason": "no effect"}],
    "report": "out/report.html",
}


@pytest.mark.parametrize("make", [lambda: PlainProgress(0.0), LiveProgress])
def test_result_is_a_table(make, capsys):
    with make() as progress:
        progress.stage("compiling")
        progress.row(ROW)
        progress.row(ROW._replace(accepted=False, round=1, rms_mV={}))
        progress.done(SUMMARY)
    out = capsys.readouterr().out
    for text in ("the gradient is small", "50.00", "1.00 K", "at its bound", "held"):
        assert text in out
    assert "report: out/report.html" in out


def test_plain_lines(capsys):
    progress = PlainProgress(0.0)
    progress.stage("compiling")
    progress.row(ROW)
    progress.row(ROW._replace(number=4, accepted=False))
    first, head, row, last = capsys.readouterr().out.splitlines()
    assert first.endswith("compiling")
    assert head.split() == ["it", "cost", "1C", "|grad|", "time", "(rms", "in", "mV)"]
    assert row.split() == ["3", "12.5", "4.25", "1.00e-03", "2.0", "s"]
    assert last.endswith("step rejected")


def test_json_lines(capsys):
    with JsonProgress() as progress:
        progress.stage("compiling")
        progress.row(ROW._replace(cost=math.inf))
        progress.done(SUMMARY)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["stage", "iteration", "result"]
    assert events[1]["cost"] is None
    assert events[1]["rms_mV"] == {"1C": 4.25}
    assert events[2]["curves"] == SUMMARY["curves"]


def test_choice():
    assert isinstance(choose_progress(as_json=True, began=0.0), JsonProgress)
    # Under pytest standard output is no terminal.
    assert isinstance(choose_progress(as_json=False, began=0.0), PlainProgress)
