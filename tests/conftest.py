"""Set-up of all tests: the compile cache, hypothesis, the reference data."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

_ROOT = Path(__file__).resolve().parent.parent

# Before anything imports JAX, which reads these once. Compilation dominates the time of the tests.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Built kernels and what commands keep.
os.environ.setdefault("GRADION_CACHE", str(_ROOT / ".cache" / "gradion"))
# A home folder that cannot be written must not matter, and no test opens a window.
os.environ.setdefault("MPLCONFIGDIR", str(_ROOT / ".cache" / "matplotlib"))
os.environ.setdefault("MPLBACKEND", "agg")

# The same examples in every run, and no limit on time: the first example compiles.
hypothesis.settings.register_profile(
    "gradion", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("gradion")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked reference where there is no reference data."""
    if os.environ.get("GRADION_REFERENCE"):
        return
    skip = pytest.mark.skipif(True, reason="GRADION_REFERENCE is not set")
    for item in items:
        if item.get_closest_marker("reference") is not None:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """The folder of reference data, named by GRADION_REFERENCE; for tests marked reference."""
    name = os.environ.get("GRADION_REFERENCE")
    if not name:
        pytest.skip("GRADION_REFERENCE is not set")
    folder = Path(name)
    if not folder.is_dir():
        pytest.fail(f"GRADION_REFERENCE names {name!r}, which is no folder")
    return folder
