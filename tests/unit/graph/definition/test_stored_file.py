"""Files that earlier versions wrote: what they say does not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradion.graph.definition import load
from gradion.graph.definition.manifest import FORMAT_VERSION

FOLDER = Path(__file__).parent / "data"
FILES = sorted(FOLDER.glob("format_*.gradion"))


def test_every_format_version_has_a_file():
    assert FOLDER / "format_{}_{}.gradion".format(*FORMAT_VERSION) in FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_stored_file_is_read(path):
    """data/make_stored_file.py says what is in it: x' = -x in three steps of 1/4."""
    definition = load(path)
    x = np.array([4.0, 8.0])
    found = definition.call({"x": x, "i": np.array([1, 0], np.int32), "b": np.float32(1.0)})
    # Powers of 3/4 and numbers that hold them exactly.
    np.testing.assert_array_equal(found["last"], x * 0.75**3)
    np.testing.assert_array_equal(found["picked"][0], [x[1], x[0] * 0.75**2])
    assert found["picked"][1] is None
    odd = np.asarray(found["odd"])
    assert np.signbit(odd[0])
    np.testing.assert_array_equal(odd, [-0.0, np.inf, -np.inf, np.nan])
    assert dict(definition.metadata) == {"note": "a stored file"}
    assert {name: float(value) for name, value in definition.variables.items()} == {
        "rate": 1.0,
        "h": 0.25,
    }
    scan = next(o for o in definition.graph if o.kind == "scan")
    assert scan.scope == "steps"
    assert scan.source.file == "make_stored_file.py"
