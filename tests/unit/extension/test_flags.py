"""Flags: ours, the user's, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradion.extension.flags import (
    Flags,
    as_flags,
    cpp_flags,
    cuda_flags,
    input_files,
    last_cpp_flags,
    search_folders,
)
from gradion.extension.toolchain import Compiler
from gradion.foundation.errors import InputError

GCC = Compiler(("g++",), "gcc")
ZIG = Compiler(("python", "-m", "ziglang", "c++"), "zig", is_zig=True)


@pytest.mark.parametrize(
    "flag",
    [
        "-ffast-math",
        "-Ofast",
        "-ffinite-math-only",
        "-funsafe-math-optimizations",
        "-ffp-model=fast",
        "-fno-honor-nans",
    ],
)
def test_a_flag_that_forgets_nan_is_refused(flag):
    with pytest.raises(InputError, match=f"{flag} lets the compiler assume that no value is NaN"):
        as_flags(["-O2", flag])


@pytest.mark.parametrize("flag", ["-Xcompiler=-ffast-math", "-Xcompiler=-O3,-ffast-math"])
def test_it_is_refused_also_where_nvcc_hands_it_on(flag):
    with pytest.raises(InputError, match="-ffast-math"):
        Flags(cuda=(flag,))


def test_it_is_refused_also_within_cxx():
    with pytest.raises(InputError, match="CXX: -ffast-math"):
        cpp_flags(Compiler(("g++", "-ffast-math"), "gcc"), portable=False)


def test_flags_that_keep_nan_are_accepted():
    kept = ("-fno-trapping-math", "-fno-fast-math", "-O1", "-Wno-fast-math")
    assert as_flags(kept).cpp == kept


def test_a_string_for_a_list_is_a_type_error():
    with pytest.raises(TypeError, match="expected a list of strings"):
        as_flags("-O1 -g")


def test_just_in_time_is_for_this_processor():
    assert "-march=native" in cpp_flags(GCC, portable=False)


def test_ahead_of_time_is_not_for_this_processor():
    assert not any("native" in flag for flag in cpp_flags(GCC, portable=True))


def test_what_cxx_says_of_optimisation_and_processor_holds():
    asked = cpp_flags(Compiler(("g++", "-O1", "-march=x86-64-v3"), "gcc"), portable=False)
    assert not any(flag.startswith(("-O", "-march")) for flag in asked)
    assert "-O3" in cpp_flags(GCC, portable=False)


def test_only_gcc_is_told_not_to_share_inline_variables():
    gcc = Compiler(("g++",), "c++ 12\nCopyright (C) 2022 Free Software Foundation, Inc.")
    assert "-fno-gnu-unique" in cpp_flags(gcc, portable=False)
    assert "-fno-gnu-unique" not in cpp_flags(ZIG, portable=False)


def test_zig_names_processors_in_its_own_way():
    flags = cpp_flags(ZIG, portable=True)
    assert not any("-march" in flag or "x86-64" in flag for flag in flags)


def test_visibility_has_the_last_word():
    assert "-fvisibility=default" in last_cpp_flags(["-fvisibility=hidden"])


def test_a_sanitizer_may_leave_symbols_to_the_process():
    assert "-Wl,--no-undefined" in last_cpp_flags([])
    assert "-Wl,--no-undefined" not in last_cpp_flags(["-fsanitize=address"])


def test_without_a_gpu_code_for_one_architecture_is_made():
    assert "-arch=native" in cuda_flags(portable=False, gpu_here=True)
    assert "-arch=sm_80" in cuda_flags(portable=False, gpu_here=False)


def test_folders_of_all_spellings_are_found():
    flags = ["-Ione", "-I", "two", "-isystem", "three", "-iquotefour", "-O1"]
    assert search_folders(flags) == tuple(Path(name) for name in ("one", "two", "three", "four"))


def test_files_that_flags_bring_in_are_found(tmp_path):
    header, archive = tmp_path / "first.h", tmp_path / "lib.a"
    header.touch()
    archive.touch()
    flags = ["-include", str(header), str(archive), "missing.a"]
    assert set(input_files(flags)) == {header, archive}
