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


# The files that take longest, longest first: a worker that begins one of them last keeps the others
# waiting. Two that compile the same program stand apart, so that the second finds it in the cache.
_LONGEST = (
    "unit/numerics/test_integrate.py",
    "native/test_pairs_example.py",
    "system/test_enertech_goals.py",
    "native/test_spm_example.py",
    "native/test_graph_cpp.py",
    "system/test_examples.py",
    "native/test_lltm_example.py",
    "native/test_graph_operations.py",
    "system/test_readme.py",
    "unit/extension/test_native_node.py",
    "unit/extension/test_library.py",
    "unit/extension/test_batching.py",
    "convergence/test_single_particle.py",
    "system/test_kill_resume.py",
    "system/test_coming_from_pytorch.py",
    "unit/cell/test_simulation.py",
    "unit/cell/test_report.py",
    "native/test_kernels.py",
    "property/module/test_trees.py",
    "oracle/cell/test_single_particle.py",
)
_RANK = {_ROOT / "tests" / name: rank for rank, name in enumerate(_LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; the tests marked reference are skipped where there is no data."""
    gone = [str(path) for path in _RANK if not path.is_file()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py ranks files that are not there: {gone}")
    items.sort(key=lambda item: _RANK.get(item.path, len(_RANK)))
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
