"""Where the cache is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradion.extension.cache_folder import cache_folder


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("GRADION_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_variables_are_taken_in_order(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "gradion" / "extension"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "gradion" / "extension"
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "g"))
    assert cache_folder() == tmp_path / "g" / "extension"


def test_without_a_home_there_is_none(monkeypatch):
    def no_home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder() is None
