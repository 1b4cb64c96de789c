"""Versions of the XLA FFI."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from gradion.extension.build import compile_library
from gradion.extension.build_plan import cpp_plan
from gradion.extension.ffi_version import (
    OLDEST_SUPPORTED,
    FfiVersion,
    check_version,
    header_version,
    library_version,
    runtime_version,
)
from gradion.extension.flags import Flags
from gradion.foundation.errors import InputError


def test_the_headers_that_come_with_jaxlib_say_their_version():
    assert runtime_version() >= OLDEST_SUPPORTED


@pytest.mark.parametrize(
    ("built", "runs"),
    [((0, 3), True), ((0, 4), True), ((0, 5), False), ((1, 3), False)],
)
def test_what_was_built_for_the_same_or_an_older_version_runs(built, runs):
    assert FfiVersion(*built).runs_on(FfiVersion(0, 4)) is runs


def test_missing_headers_are_told(tmp_path):
    with pytest.raises(InputError, match="install jaxlib anew"):
        header_version(tmp_path)


def test_headers_without_a_version_are_told(tmp_path):
    folder = tmp_path / "xla" / "ffi" / "api"
    folder.mkdir(parents=True)
    (folder / "c_api.h").write_text("#define XLA_FFI_API_MAJOR 0\n")
    with pytest.raises(InputError, match="does not define"):
        header_version(tmp_path)


def test_a_built_library_says_its_version(answer, own_cache, tmp_path):
    job = cpp_plan("answer", (answer(1),), Flags(cpp=("-O0",)), portable=False).job
    compile_library(job, tmp_path / "a.so", verbose=False)
    assert library_version(ctypes.CDLL(str(tmp_path / "a.so"))) == runtime_version()


def test_a_foreign_library_says_nothing():
    assert library_version(ctypes.CDLL(None)) is None


def test_a_newer_version_is_refused_with_both_numbers():
    newer = FfiVersion(0, runtime_version().minor + 1)
    with pytest.raises(InputError, match=f"FFI {newer}.*is {runtime_version()}.*build it again"):
        check_version(newer, Path("a.so"))


def test_no_version_is_refused():
    with pytest.raises(InputError, match="unchecked=True"):
        check_version(None, Path("a.so"))
