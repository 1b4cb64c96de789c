"""JAX's cache of compiled programs: where it is, and what switches it on."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

from gradion.foundation.cache_root import cache_root
from gradion.foundation.program_cache import cache_size, keep_programs, program_folder

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture
def no_cache(monkeypatch):
    """Nothing is set, and what is set is taken back."""
    for name in ("GRADION_CACHE", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    before = {name: jax.config.values[name] for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_variables_are_taken_in_order(no_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert program_folder() == tmp_path / ".cache" / "gradion" / "programs"
    assert cache_size(program_folder()) == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert program_folder() == tmp_path / "gradion" / "programs"
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "own"))
    assert program_folder() == tmp_path / "own" / "programs"


def test_without_a_home_there_is_none_and_a_note(no_cache, monkeypatch):
    def no_home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    assert cache_root() is None
    assert "GRADION_CACHE" in keep_programs()
    assert cache_size(program_folder()) == 0


def test_programs_of_any_size_are_kept_for_this_user_alone(no_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path))
    assert keep_programs() is None
    folder = tmp_path / "programs"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [jax.config.values[name] for name in SETTINGS] == [str(folder), 0.0, -1]
    (folder / "program").write_bytes(b"1234")
    assert cache_size(folder) == 4


def test_a_folder_that_cannot_be_written_is_a_note(no_cache, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "file"))
    note = keep_programs()
    assert note is not None
    assert "cannot be written" in note


def test_a_cache_that_the_user_named_is_left_alone(no_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "own"))
    assert keep_programs() is None
    assert not (tmp_path / "own").exists()
