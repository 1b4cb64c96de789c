"""Where the cache is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradion.extension.cache_folder import cache_folder, write_atomically


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


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_atomically(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"old"
