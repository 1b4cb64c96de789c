"""A plan carried out, and what may go wrong with caches meanwhile."""

from __future__ import annotations

import errno
import os
import warnings

import pytest

from gradion.extension import build_cache, built_library
from gradion.extension.build_cache import BuildCache
from gradion.extension.build_plan import cpp_plan
from gradion.extension.built_library import realise
from gradion.extension.flags import Flags
from gradion.foundation.errors import InputError


@pytest.fixture
def plan_of(own_cache):
    def plan(source):
        return cpp_plan("answer", (source,), Flags(cpp=("-O0",)), portable=False)

    return plan


@pytest.fixture
def compiled(monkeypatch):
    """Counts the calls of the compiler."""
    calls = []
    real = built_library.compile_library

    def counted(job, output, *, verbose):
        calls.append(output)
        return real(job, output, verbose=verbose)

    monkeypatch.setattr(built_library, "compile_library", counted)
    return calls


@pytest.fixture
def no_private(monkeypatch):
    """No private cache has been made before, and none is left."""
    made = []
    monkeypatch.setattr(build_cache, "_private", made)
    yield made
    for cache in made:
        build_cache.shutil.rmtree(cache.folder)


def _answer(plan):
    return realise(plan, verbose=False)[2].answer()


def test_a_second_time_nothing_is_compiled(plan_of, answer, compiled):
    plan = plan_of(answer(7))
    assert (_answer(plan), _answer(plan)) == (7, 7)
    assert len(compiled) == 1


@pytest.mark.parametrize("size", [0, 100, 5000], ids=["empty", "headers cut", "cut"])
def test_a_library_that_was_cut_short_is_built_again(plan_of, answer, compiled, size):
    plan = plan_of(answer(7))
    path, _, opened = realise(plan, verbose=False)
    del opened
    # Another file than the one which is mapped by this process.
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:size])
    assert _answer(plan) == 7
    assert len(compiled) == 2


def test_a_library_that_cannot_be_opened_is_built_again_once(plan_of, answer, compiled, own_cache):
    plan = plan_of(answer(7))
    cache = BuildCache(own_cache)
    with cache.room("answer") as room:
        (room / "answer.so").write_bytes(b"no library, but with the right digest")
        cache.keep(room, room / "answer.so", plan.key(), {})
    assert _answer(plan) == 7
    assert len(compiled) == 1


def test_what_was_just_built_and_cannot_be_opened_is_an_error(plan_of, answer, monkeypatch):
    def refuse(path):
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(built_library.ctypes, "CDLL", refuse)
    with pytest.raises(InputError, match="failed to map segment.*GRADION_CACHE"):
        realise(plan_of(answer(7)), verbose=False)


def test_a_folder_that_cannot_be_written_is_replaced_by_a_private_one(
    plan_of, answer, compiled, no_private, tmp_path, monkeypatch
):
    # A file where the folder should be: also root, which may write anywhere, fails there.
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "file"))
    plan = plan_of(answer(7))
    with pytest.warns(RuntimeWarning, match="cannot be written.*GRADION_CACHE") as caught:
        assert _answer(plan) == 7
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _answer(plan) == 7
    assert len(compiled) == 1


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.rename", "os.mkdir"])
def test_a_full_cache_is_replaced_by_a_private_one(
    plan_of, answer, no_private, own_cache, monkeypatch, call
):
    real = {
        "os.fsync": os.fsync,
        "pathlib.Path.rename": build_cache.Path.rename,
        "os.mkdir": os.mkdir,
    }[call]
    failed = []

    def full(*arguments, **named):
        if not failed:
            failed.append(call)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **named)

    plan = plan_of(answer(7))
    monkeypatch.setattr(call, full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        assert _answer(plan) == 7
    assert failed
    # Nothing half-written is left in the cache.
    assert list((own_cache).glob("answer/*")) == []


def test_where_every_folder_is_full_the_error_says_so(plan_of, answer, no_private, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    plan = plan_of(answer(7))
    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(InputError, match="No space left.*nor can the temporary folder"),
    ):
        realise(plan, verbose=False)


def test_a_cache_that_is_only_read_serves_what_it_has(plan_of, answer, compiled, monkeypatch):
    plan = plan_of(answer(7))
    realise(plan, verbose=False)

    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", read_only)
    assert _answer(plan) == 7
    assert len(compiled) == 1


def test_a_source_saved_while_it_is_compiled_is_compiled_again(plan_of, answer, monkeypatch):
    source = answer(7)
    real = built_library.compile_library
    calls = []

    def saved_meanwhile(job, output, *, verbose):
        report = real(job, output, verbose=verbose)
        if not calls:
            answer(8)
        calls.append(output)
        return report

    monkeypatch.setattr(built_library, "compile_library", saved_meanwhile)
    assert _answer(plan_of(source)) == 8
    assert len(calls) == 2


def test_a_source_that_never_rests_is_an_error(plan_of, answer, monkeypatch):
    source = answer(0)
    real = built_library.compile_library
    calls = []

    def saved_meanwhile(job, output, *, verbose):
        calls.append(output)
        report = real(job, output, verbose=verbose)
        answer(len(calls))
        return report

    monkeypatch.setattr(built_library, "compile_library", saved_meanwhile)
    with pytest.raises(InputError, match="changed each time"):
        realise(plan_of(source), verbose=False)
