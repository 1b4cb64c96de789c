"""The key of a build: what changes it and what does not."""

from __future__ import annotations

import dataclasses

import pytest

from gradion.extension import build_plan
from gradion.extension.build_plan import cpp_plan, cuda_plan
from gradion.extension.flags import Flags


@pytest.fixture
def key_of(own_cache):
    def key(*sources, flags=(), **changes):
        plan = cpp_plan("answer", sources, Flags(cpp=tuple(flags)), portable=False)
        return dataclasses.replace(plan, **changes).key()

    return key


def test_the_same_inputs_give_the_same_key(key_of, answer):
    assert key_of(answer(1)) == key_of(answer(1))


def test_source_flag_and_processor_change_it(key_of, answer):
    first = key_of(answer(1))
    assert key_of(answer(1), flags=["-O1"]) != first
    assert key_of(answer(1), processor="another") != first
    assert key_of(answer(2)) != first


def test_a_header_that_a_header_includes_changes_it(key_of, answer, tmp_path):
    (tmp_path / "a.h").write_text('#include "b.h"\n')
    (tmp_path / "b.h").write_text("int b;\n")
    source = answer(1, before='#include "a.h"')
    first = key_of(source)
    (tmp_path / "b.h").write_text("long b;\n")
    assert key_of(source) != first


def test_a_header_of_gradion_changes_it_where_it_is_included(key_of, answer, monkeypatch, tmp_path):
    plain, including = answer(1), answer(1, name="b.cc", before="#include <gradion/own.h>")
    header = tmp_path / "gradion" / "own.h"
    header.parent.mkdir()
    header.write_text("int a;\n")
    monkeypatch.setattr(build_plan, "OWN_HEADERS", tmp_path)
    first = key_of(plain), key_of(including)
    header.write_text("long a;\n")
    assert key_of(plain) == first[0]
    assert key_of(including) != first[1]


def test_a_sanitizer_named_in_cxx_may_leave_symbols_to_the_process(answer, monkeypatch):
    real = build_plan.find_compiler()
    asked = dataclasses.replace(real, command=(*real.command, "-fsanitize=address"))
    monkeypatch.setattr(build_plan, "find_compiler", lambda: asked)
    plan = cpp_plan("answer", (answer(1),), Flags(), portable=False)
    assert "-Wl,--no-undefined" not in plan.job.last_flags


def test_a_header_in_a_folder_of_a_flag_changes_it(key_of, answer, tmp_path):
    (tmp_path / "include").mkdir()
    header = tmp_path / "include" / "a.h"
    header.write_text("int a;\n")
    source = answer(1, before="#include <a.h>")
    flags = [f"-I{header.parent}"]
    first = key_of(source, flags=flags)
    header.write_text("long a;\n")
    assert key_of(source, flags=flags) != first


def test_the_compiler_changes_it(key_of, answer, monkeypatch):
    first = key_of(answer(1))
    real = build_plan.find_compiler()
    newer = dataclasses.replace(real, version="99")
    monkeypatch.setattr(build_plan, "find_compiler", lambda: newer)
    assert key_of(answer(1)) != first


def test_the_version_of_the_headers_changes_it(key_of, answer, monkeypatch):
    first = key_of(answer(1))
    monkeypatch.setattr(build_plan, "header_version", lambda folder: "9.9")
    assert key_of(answer(1)) != first


def test_the_folder_of_the_source_does_not_change_it(key_of, answer, tmp_path):
    first = answer(1)
    (tmp_path / "sub").mkdir()
    assert key_of(first.rename(tmp_path / "sub" / first.name)) == key_of(answer(1))


def test_without_nvcc_there_is_no_plan_for_cuda(monkeypatch):
    monkeypatch.setattr(build_plan, "find_nvcc", lambda: None)
    assert cuda_plan("answer", (), Flags(), portable=False) is None
