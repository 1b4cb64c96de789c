"""Measured curves: what is read, and what is told about a file that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradion.cell.io.discharge_csv import Columns, read_comments, read_discharge
from gradion.foundation.errors import InputError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "enertech"
GOOD = """\
# cell 7
time_s,voltage_V,temperature_rise_K,I
0,4.1,0.0,2.0

2,4.0,0.1,2.0
5,3.9,0.2,2.0
"""


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "curve.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def message(path: str, columns: Columns | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_discharge(path, columns)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(path)
    return text.removeprefix(path)


def test_good_file(write):
    path = write(GOOD)
    curve = read_discharge(path, Columns(temperature_rise="temperature_rise_K", current="I"))
    np.testing.assert_array_equal(curve.time, [0.0, 2.0, 5.0])
    np.testing.assert_array_equal(curve.voltage, [4.1, 4.0, 3.9])
    np.testing.assert_array_equal(curve.temperature_rise, [0.0, 0.1, 0.2])
    np.testing.assert_array_equal(curve.since(2.0).current, [2.0, 2.0])
    assert read_comments(path) == "cell 7"


def test_byte_order_mark_and_windows_line_ends(write):
    path = write(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_discharge(path).time.size == 3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("voltage_V", "Voltage_V", ": unknown column 'voltage_V'; did you mean 'Voltage_V'"),
        ("2,4.0", "2,nan", ":5: voltage_V: got 'nan'; expected a finite number"),
        ("2,4.0", "2,", ":5: voltage_V: got ''; expected a finite number"),
        ("2,4.0", "2,4;0", ":5: voltage_V: got '4;0'"),
        ("5,3.9", "1,3.9", ":6: time_s: time goes back from 2 to 1 s; expected times that grow"),
        ("5,3.9", "2,3.9", ":6: time_s: time stands still from 2 to 2 s"),
        ("0,4.1", "-1,4.1", ":3: time_s: got -1 s; expected times from 0 s on"),
        ("2,4.0", "2,4000", ":5: voltage_V: got 4000 V; expected 0.5 to 6 V"),
        ("5,3.9,0.2,2.0", "5,3.9,0.2,-2.0", ":6: I: got -2 A; expected positive currents"),
        ("5,3.9,0.2,2.0", "5,3.9", ":6: got 2 values for 4 columns; is the file cut off?"),
        ("5,3.9,0.2,2.0", "5,3.9,0.2,2.0,1", ":6: got 5 values for 4 columns"),
        ("voltage_V", "time_s", ":2: two columns have the same name"),
    ],
)
def test_bad_rows_are_told_with_their_line(write, old, new, expected):
    assert old in GOOD
    path = write(GOOD.replace(old, new, 1))
    assert message(path, Columns(current="I")).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": is empty"),
        (b"# only a comment\n", ": is empty"),
        (b"time_s,voltage_V\n", ": has no rows of numbers"),
        (b"PK\x03\x04\x00\x00", ": is binary, not text"),
        (b"time_s,voltage_V\n0,4\n\xb0C,1\n", ":3: byte 0xb0 is no UTF-8 text"),
    ],
)
def test_other_files_are_told(write, content, expected):
    assert message(write(content)).startswith(expected)


def test_missing_file(tmp_path):
    assert "No such file" in message(str(tmp_path / "absent.csv"))


def test_folder(tmp_path):
    assert "directory" in message(str(tmp_path))


@pytest.mark.parametrize("rate", ["0.5", "1", "2"])
def test_example_curves(rate):
    curve = read_discharge(EXAMPLES / f"discharge-{rate}C.csv")
    assert curve.time.size == 125
    assert curve.voltage[0] > 4.0 > 3.0 > curve.voltage[-1]


@pytest.mark.reference
@pytest.mark.parametrize("rate", ["0.5", "1", "2"])
def test_example_curves_follow_the_full_ones(rate, reference_folder):
    full = reference_folder / "cell" / "enertech" / f"{rate}C_discharge_U.txt"
    time, voltage = np.loadtxt(full, unpack=True)
    curve = read_discharge(EXAMPLES / f"discharge-{rate}C.csv")
    error = (np.interp(time, curve.time, curve.voltage) - voltage)[time >= 2.0]
    assert np.sqrt(np.mean(error**2)) < 1e-3
    assert np.max(np.abs(error)) < 3e-3
