"""What the tests of building share: a cache of their own, and one library that XLA can call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradion.extension.library import Library, load

SOURCES = Path(__file__).resolve().parents[2] / "native" / "sources"


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """A cache that the whole session builds into."""
    return tmp_path_factory.mktemp("shared_cache")


@pytest.fixture(scope="session")
def axpy_source() -> Path:
    return SOURCES / "axpy.cc"


@pytest.fixture(scope="session")
def axpy(shared_cache, axpy_source) -> Library:
    """The library of axpy.cc, built once."""
    before = os.environ.get("GRADION_CACHE")
    os.environ["GRADION_CACHE"] = str(shared_cache)
    try:
        return load("axpy", axpy_source)
    finally:
        if before is None:
            del os.environ["GRADION_CACHE"]
        else:
            os.environ["GRADION_CACHE"] = before


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    """An empty cache for one test: the folder that holds its builds."""
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "extension"


@pytest.fixture
def answer(tmp_path):
    """Write a source whose one symbol returns a number; it compiles in 0.1 s."""

    def write(number: int, *, name: str = "answer.cc", before: str = "") -> Path:
        path = tmp_path / name
        text = f'{before}\nextern "C" int answer() {{ return {number}; }}\n'
        path.write_text(text, encoding="ascii")
        return path

    return write
