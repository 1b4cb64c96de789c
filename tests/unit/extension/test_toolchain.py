"""Which compiler is found, how it is asked, what is said when there is none."""

from __future__ import annotations

import shutil
import sys

import pytest

from gradion.extension import toolchain
from gradion.extension.toolchain import CompilerNotFoundError, find_compiler, find_nvcc


@pytest.fixture(autouse=True)
def fresh(monkeypatch, own_cache):
    """No compiler of another test is remembered, and none of the user's is named."""
    monkeypatch.setattr(toolchain, "_found", {})
    for name in ("CXX", "CUDACXX", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """A path with nothing on it but a shell and what the tests add."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    return folder


def _program(folder, name, version="test compiler 1.0", *, status=0):
    path = folder / name
    path.write_text(
        f'#!/bin/sh\necho "$@" >> "{folder}/asked"\necho "{version}"\nexit {status}\n',
        encoding="ascii",
    )
    path.chmod(0o755)
    return path


def _times_asked(folder):
    asked = folder / "asked"
    return len(asked.read_text().splitlines()) if asked.exists() else 0


def test_the_compilers_are_taken_in_order(bin_folder):
    _program(bin_folder, "clang++", "clang")
    _program(bin_folder, "g++", "gcc")
    assert find_compiler().version == "gcc"


def test_a_compiler_that_does_not_run_is_passed_over(bin_folder):
    _program(bin_folder, "c++", status=1)
    _program(bin_folder, "clang++", "clang")
    assert find_compiler().version == "clang"


def test_cxx_goes_before_all_others(bin_folder, monkeypatch):
    _program(bin_folder, "c++", "the system's")
    chosen = _program(bin_folder, "mine", "mine")
    monkeypatch.setenv("CXX", f"{chosen} -B elsewhere")
    assert find_compiler().command == (str(chosen), "-B", "elsewhere")


def test_a_cxx_that_does_not_exist_is_not_passed_over(bin_folder, monkeypatch):
    _program(bin_folder, "c++")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CompilerNotFoundError, match="'no-such-compiler'.*unset CXX"):
        find_compiler()


def test_a_cxx_that_fails_is_not_passed_over(bin_folder, monkeypatch):
    _program(bin_folder, "c++")
    monkeypatch.setenv("CXX", str(_program(bin_folder, "broken", status=3)))
    with pytest.raises(CompilerNotFoundError, match="fails when asked for its version"):
        find_compiler()


def test_without_any_the_error_says_what_was_looked_for_and_how_to_get_one(bin_folder):
    with pytest.raises(CompilerNotFoundError) as caught:
        find_compiler()
    for word in ("CXX", "c++", "g++", "clang++", "ziglang", "install"):
        assert word in str(caught.value)


def test_the_compiler_of_the_wheel_comes_last(tmp_path, bin_folder, monkeypatch):
    package = tmp_path / "site" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("print('zig')")
    monkeypatch.undo()
    monkeypatch.setattr(toolchain, "_found", {})
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(package.parent)
    found = find_compiler()
    assert found.is_zig
    assert found.command == (sys.executable, "-m", "ziglang", "c++")


def test_a_compiler_is_asked_once(bin_folder):
    _program(bin_folder, "c++")
    find_compiler()
    find_compiler()
    assert _times_asked(bin_folder) == 1


def test_the_next_process_need_not_ask(bin_folder, monkeypatch):
    _program(bin_folder, "c++")
    find_compiler()
    monkeypatch.setattr(toolchain, "_found", {})
    assert find_compiler().version == "test compiler 1.0"
    assert _times_asked(bin_folder) == 1


def test_a_replaced_compiler_is_asked_again(bin_folder, monkeypatch):
    _program(bin_folder, "c++")
    first = find_compiler()
    _program(bin_folder, "c++", "test compiler 2.0 (longer)")
    monkeypatch.setattr(toolchain, "_found", {})
    assert find_compiler().version != first.version


def test_a_damaged_memory_is_no_obstacle(bin_folder, own_cache):
    own_cache.mkdir(parents=True)
    (own_cache / "compilers.json").write_text("{")
    _program(bin_folder, "c++")
    assert find_compiler().name == "test compiler 1.0"


def test_what_the_compiler_searches_unasked_is_part_of_its_identity(bin_folder, monkeypatch):
    _program(bin_folder, "c++")
    before = find_compiler().identity
    monkeypatch.setenv("CPATH", "elsewhere")
    assert find_compiler().identity != before


def test_nvcc_is_found_in_the_folder_of_cuda_home(bin_folder, tmp_path, monkeypatch):
    home = tmp_path / "cuda"
    (home / "bin").mkdir(parents=True)
    program = _program(home / "bin", "nvcc", "nvcc 13")
    monkeypatch.setenv("CUDA_HOME", str(home))
    found = find_nvcc()
    assert found is not None
    assert found.command == (str(program),)


def test_without_nvcc_there_is_none(bin_folder, monkeypatch):
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if "nvcc" in name else real(name))
    assert find_nvcc() is None
