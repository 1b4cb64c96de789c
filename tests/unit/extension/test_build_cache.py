"""The cache of built libraries: whole or not at all."""

from __future__ import annotations

import os
import time
import warnings

import pytest

from gradion.extension import build_cache
from gradion.extension.build_cache import BuildCache, open_cache, private_cache
from gradion.foundation.errors import InputError


@pytest.fixture
def cache(tmp_path):
    return BuildCache(tmp_path / "cache")


def _put(cache, key="k1", content=b"library", name="lltm"):
    with cache.room(name) as room:
        (room / "tmp").mkdir()
        (room / "unit.cc").touch()
        library = room / f"{name}.so"
        library.write_bytes(content)
        return cache.keep(room, library, key, {"created": key})


def test_what_was_kept_is_found(cache):
    path = _put(cache)
    assert cache.find("lltm", "k1") == path
    assert path.read_bytes() == b"library"


def test_only_the_library_and_its_record_are_kept(cache):
    path = _put(cache)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["build.json", "lltm.so"]
    assert [entry.name for entry in path.parent.parent.iterdir()] == ["k1"]


def test_others_may_read_what_they_may_read_of_the_user(cache, tmp_path):
    (tmp_path / "plain").mkdir()
    path = _put(cache)
    (tmp_path / "plain.txt").touch()
    assert path.parent.stat().st_mode == (tmp_path / "plain").stat().st_mode
    record = path.with_name("build.json")
    assert record.stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_another_key_is_not_found(cache):
    _put(cache)
    assert cache.find("lltm", "k2") is None


@pytest.mark.parametrize("content", [b"lib", b"librarY"], ids=["cut short", "changed"])
def test_a_damaged_library_is_not_given_out(cache, content):
    _put(cache).write_bytes(content)
    assert cache.find("lltm", "k1") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"file": 3}'])
def test_a_damaged_record_is_no_error(cache, text):
    (_put(cache).parent / "build.json").write_text(text)
    assert cache.find("lltm", "k1") is None


def test_a_damaged_build_is_replaced(cache):
    _put(cache).write_bytes(b"x")
    path = _put(cache)
    assert cache.find("lltm", "k1") == path
    assert [entry.name for entry in path.parent.parent.iterdir()] == ["k1"]


def test_the_second_of_two_that_build_the_same_keeps_the_first(cache):
    first = _put(cache)
    inode = first.stat().st_ino
    assert _put(cache) == first
    assert first.stat().st_ino == inode


def test_a_room_goes_when_building_fails(cache):
    def build():
        with cache.room("lltm") as room:
            (room / "half.o").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert list((cache.folder / "lltm").iterdir()) == []


def test_leftovers_of_killed_builds_go_after_a_day(cache):
    place = cache.folder / "lltm"
    for name, age_h in (("old", 25), ("new", 23)):
        leftover = place / f".build-{name}"
        leftover.mkdir(parents=True)
        (leftover / "half.o").touch()
        then = time.time() - age_h * 3600
        os.utime(leftover, (then, then))
    _put(cache)
    assert sorted(entry.name for entry in place.iterdir()) == [".build-new", "k1"]


def test_builds_are_listed_with_what_is_known(cache):
    _put(cache, "k2", name="a")
    _put(cache, "k1", name="a")
    _put(cache, "k3", name="b").write_bytes(b"")
    listed = [(build.name, build.key, build.intact) for build in cache.builds()]
    assert listed == [("a", "k1", True), ("a", "k2", True), ("b", "k3", False)]
    assert cache.builds()[0].record["bytes"] == len(b"library")


def test_a_cache_that_does_not_exist_has_no_builds(cache):
    assert cache.builds() == ()
    assert cache.clean() == 0


def test_clean_removes_one_name_or_all(cache):
    _put(cache, name="a")
    _put(cache, name="b")
    assert cache.clean("a") == 1
    assert [build.name for build in cache.builds()] == ["b"]
    assert cache.clean() == 1
    assert list(cache.folder.iterdir()) == []


def test_clean_leaves_a_build_in_progress(cache):
    with cache.room("a") as room:
        cache.clean()
        assert room.is_dir()


def test_the_cache_of_a_user_is_where_the_variable_says(own_cache):
    cache = open_cache()
    assert cache is not None
    assert cache.folder == own_cache


def test_a_private_cache_is_made_once_with_one_warning(monkeypatch):
    monkeypatch.setattr(build_cache, "_private", [])
    assert private_cache(None) is None
    with pytest.warns(RuntimeWarning, match="no room; what is built is kept for this process"):
        first = private_cache("no room")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert private_cache("no room") is first


def test_without_any_place_the_error_says_what_to_do(monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_cache, "_private", [])
    monkeypatch.setattr(build_cache.tempfile, "mkdtemp", full)
    with pytest.raises(InputError, match="no temporary folder can be made.*GRADION_CACHE"):
        private_cache("no room")
