"""The call of the compiler, and what is said when it refuses."""

from __future__ import annotations

import copy
import ctypes
import errno
import pickle
import traceback

import pytest

from gradion.extension import build
from gradion.extension.build import BuildError, compile_library
from gradion.extension.build_plan import cpp_plan
from gradion.extension.flags import Flags
from gradion.foundation.errors import InputError


@pytest.fixture
def job_of(own_cache):
    def job(*sources, flags=()):
        return cpp_plan("answer", tuple(sources), Flags(cpp=("-O0", *flags)), portable=False).job

    return job


@pytest.fixture
def room(tmp_path):
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def test_one_source_is_one_call(job_of, answer, room):
    report = compile_library(job_of(answer(41)), room / "a.so", verbose=False)
    assert len(report.commands) == 1
    assert ctypes.CDLL(str(room / "a.so")).answer() == 41


def test_several_sources_become_one_library(job_of, answer, room, tmp_path):
    second = tmp_path / "second.cc"
    second.write_text('extern "C" int answer();\nextern "C" int more() { return answer() + 1; }\n')
    compile_library(job_of(answer(41), second), room / "a.so", verbose=False)
    assert ctypes.CDLL(str(room / "a.so")).more() == 42


def test_a_syntax_error_is_shown_in_the_compilers_lines_once(job_of, answer, room):
    source = answer(1, before="\nint broken = ;")
    with pytest.raises(BuildError) as caught:
        compile_library(job_of(source), room / "a.so", verbose=False)
    error = caught.value
    shown = "".join(traceback.format_exception(error))
    assert shown.count(f"{source}:2:") == 1
    assert shown.count(" ".join(error.command[1:5])) == 1
    assert "error" in error.output
    assert "\n" not in str(error)


def test_an_undefined_symbol_is_found_when_it_is_built(job_of, answer, room):
    source = answer(1, before="int missing(); int used() { return missing(); }")
    with pytest.raises(BuildError) as caught:
        compile_library(job_of(source), room / "a.so", verbose=False)
    assert "missing" in caught.value.output


def test_the_error_crosses_processes_with_its_lines():
    error = BuildError("what", where="w", mend="m", command=["c++", "a b.cc"], output="a:1: no\n")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(twin), twin.command, twin.output) == (str(error), error.command, error.output)
        assert twin.__notes__ == ["$ c++ 'a b.cc'\na:1: no"]


def test_verbose_shows_command_time_and_warnings(job_of, answer, room, capfd):
    source = answer(1, before='#warning "look here"')
    compile_library(job_of(source), room / "a.so", verbose=True)
    shown = capfd.readouterr().err
    assert "-std=c++17" in shown
    assert "look here" in shown
    assert "built in" in shown


def test_quiet_shows_nothing(job_of, answer, room, capfd):
    source = answer(1, before='#warning "look here"')
    compile_library(job_of(source), room / "a.so", verbose=False)
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_no_error_of_the_sources(job_of, answer, room, monkeypatch):
    monkeypatch.setattr(build, "_FULL_DISK_BYTES", 1 << 80)
    with pytest.raises(OSError, match="No space left") as caught:
        compile_library(job_of(answer(1, before="broken")), room / "a.so", verbose=False)
    assert caught.value.errno == errno.ENOSPC


def test_a_compiler_that_vanished_is_told(job_of, answer, room, tmp_path):
    job = job_of(answer(1))
    gone = build.dataclasses.replace(job.compiler, command=(str(tmp_path / "gone"),))
    with pytest.raises(InputError, match="gone does not run"):
        compile_library(build.dataclasses.replace(job, compiler=gone), room / "a.so", verbose=False)
