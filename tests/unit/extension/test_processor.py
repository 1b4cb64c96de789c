"""The identity of the processor."""

from __future__ import annotations

import pytest

from gradion.extension import processor


@pytest.fixture
def identity_of(tmp_path, monkeypatch):
    def identity(text):
        path = tmp_path / "cpuinfo"
        path.write_text(text)
        monkeypatch.setattr(processor, "_CPU_INFO", path)
        return processor.processor_identity.__wrapped__()

    return identity


def test_instruction_sets_are_part_of_it(identity_of):
    assert identity_of("flags\t: sse avx\n") != identity_of("flags\t: sse avx avx512f\n")


def test_what_changes_from_moment_to_moment_is_not(identity_of):
    one = "processor : 0\ncpu MHz : 1000\nflags : avx\n\nprocessor : 1\n"
    two = "processor : 0\ncpu MHz : 2000\nflags : avx\n"
    assert identity_of(one) == identity_of(two)


def test_without_a_list_of_instruction_sets_there_is_still_one(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_CPU_INFO", tmp_path / "none")
    assert processor.processor_identity.__wrapped__()


def test_gpus_are_those_that_the_driver_lists(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_GPU_INFO", tmp_path)
    assert processor.gpu_models() == ()
    for number in (0, 1):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "information").write_text("Model: \t NVIDIA X1\nIRQ: 3\n")
    assert processor.gpu_models() == ("NVIDIA X1",)
