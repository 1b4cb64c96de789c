"""The folder of compiled programs: what it gives back, whom it trusts, how large it grows."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

import pytest

from gradion.foundation.errors import InputError
from gradion.graph.xla import ExecutableCache, user_cache
from gradion.graph.xla.executable_cache import CacheEntry

ENTRY = CacheEntry(b"\x00machine code\n\xff", {"seconds": 0.25})


@pytest.fixture
def cache(tmp_path):
    return ExecutableCache(tmp_path / "a" / "executables")


def test_what_is_kept_is_found(cache):
    assert cache.find("key") is None
    assert cache.keep("key", ENTRY)
    assert cache.find("key") == ENTRY
    assert cache.find("other") is None
    assert len(cache) == 1
    assert cache.size > len(ENTRY.content)
    assert cache.clear() == 1
    assert cache.find("key") is None
    assert (len(cache), cache.size, cache.clear()) == (0, 0, 0)


def test_the_folder_is_for_this_user_alone(cache):
    cache.keep("key", ENTRY)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:20],
        lambda whole: whole[:-1],
        lambda whole: whole + b"\x00",
        lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        lambda whole: bytes([whole[0] ^ 1]) + whole[1:],
        lambda whole: b"something else altogether " * 10,
    ],
    ids=["empty", "short", "cut", "longer", "last bit", "first bit", "foreign"],
)
def test_a_damaged_entry_is_none_and_goes(cache, damage):
    cache.keep("key", ENTRY)
    (path,) = cache.folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.find("key") is None
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_refused(cache, mode):
    cache.keep("key", ENTRY)
    cache.folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match="can be written by other users"):
        assert cache.find("key") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # told once
        assert not cache.keep("other", ENTRY)
    assert [path.name for path in cache.folder.iterdir()] == ["key.xla"]
    cache.folder.chmod(0o755)
    assert cache.find("key") == ENTRY


def test_a_folder_of_another_user_is_refused(cache, monkeypatch):
    cache.keep("key", ENTRY)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert cache.find("key") is None
    assert not cache.keep("other", ENTRY)


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    cache = ExecutableCache(tmp_path / "file" / "executables")
    assert cache.find("key") is None
    with pytest.warns(RuntimeWarning, match=r"cannot be written .*GRADION_CACHE"):
        assert not cache.keep("key", ENTRY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not cache.keep("key", ENTRY)


def test_a_folder_that_can_only_be_read_is_read(cache, monkeypatch):
    cache.keep("key", ENTRY)

    def refuse(*_arguments, **_keywords):
        raise PermissionError(13, "Permission denied")

    # Root may write anywhere, so the rights of the folder show nothing where tests run as root.
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr("gradion.graph.xla.executable_cache.write_atomically", refuse)
    assert cache.find("key") == ENTRY
    with pytest.warns(RuntimeWarning, match="Permission denied"):
        assert not cache.keep("other", ENTRY)
    cache.discard("key")
    assert cache.find("key") == ENTRY


def test_the_entries_used_longest_ago_go_first(tmp_path):
    one = ExecutableCache(tmp_path)
    one.keep("size", ENTRY)
    cache = ExecutableCache(tmp_path, limit=3 * one.size)
    one.clear()
    for age, key in ((300, "old"), (200, "used"), (100, "new")):
        cache.keep(key, ENTRY)
        then = cache.folder.stat().st_mtime - age
        os.utime(tmp_path / f"{key}.xla", (then, then))
    assert cache.find("used") == ENTRY
    cache.keep("newest", ENTRY)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "newest", "used"]
    assert cache.size <= cache.limit


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path):
    cache = ExecutableCache(tmp_path, limit=10)
    assert not cache.keep("key", ENTRY)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="limit: got -1"):
        ExecutableCache(tmp_path, limit=-1)


def test_what_killed_writers_left_goes_after_a_day(cache):
    cache.keep("key", ENTRY)
    young, old = cache.folder / ".part-young", cache.folder / ".part-old"
    for path, age in ((young, 3600), (old, 100_000)):
        path.write_bytes(b"half")
        then = cache.folder.stat().st_mtime - age
        os.utime(path, (then, then))
    cache.keep("other", ENTRY)
    assert young.exists()
    assert not old.exists()


def test_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path))
    monkeypatch.delenv("GRADION_CACHE_LIMIT", raising=False)
    assert user_cache().folder == tmp_path / "executables"
    assert user_cache().limit == 1 << 30
    monkeypatch.setenv("GRADION_CACHE_LIMIT", "1000")
    assert user_cache().limit == 1000
    monkeypatch.setenv("GRADION_CACHE_LIMIT", "1 GB")
    with pytest.raises(InputError, match="a number of bytes"):
        user_cache()
    monkeypatch.delenv("GRADION_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    assert user_cache() is None
