"""What is in the wheel of gradion besides Python: native sources and data."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_native_sources_headers_and_parameter_sets_are_package_data(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    there = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    kinds = ("*.cc", "*.cu", "*.h", "*.json", "*.html")
    expected = {
        path.relative_to(source).as_posix()
        for kind in kinds
        for path in (source / "gradion").rglob(kind)
    }
    assert any(name.endswith("segment_sum.cc") for name in expected)
    assert any(name.endswith("parallel.h") for name in expected)
    assert expected <= there
