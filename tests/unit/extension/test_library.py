"""Loading: targets, what is wrong use, faults of processes and of native code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension import build_plan, library, toolchain
from gradion.extension.build import BuildError
from gradion.extension.ffi_version import runtime_version
from gradion.extension.flags import Flags
from gradion.extension.library import SymbolNotFoundError, Target, load, load_prebuilt
from gradion.extension.toolchain import CompilerNotFoundError, find_compiler, find_nvcc
from gradion.foundation.errors import InputError

QUICK = Flags(cpp=("-O0",))
NVCC = find_nvcc()


def _call(target, x, **attributes):
    def run(x):
        out = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.ffi.ffi_call(target.name, out)(x, **attributes)

    return jax.jit(run)(x)


def _load_answer(source, **options):
    opened = load("answer", source, flags=QUICK, **options)._files["cpu"].opened
    return opened.answer()


def test_a_handler_runs_under_jit(axpy):
    x = jnp.arange(5.0)
    np.testing.assert_array_equal(_call(axpy.target("Axpy"), x, a=2.0), 2.0 * x)


def test_a_target_says_its_name_symbol_and_platforms(axpy):
    target = axpy.target("Axpy")
    assert target.name == f"gradion.axpy.Axpy.{axpy.key[:12]}"
    assert (target.symbol, target.platforms) == ("Axpy", frozenset({"cpu"}))


def test_a_target_is_a_key(axpy):
    twin = Target(axpy.target("Axpy").name, "Axpy", frozenset({"cpu"}), ("cuda: none",))
    assert {axpy.target("Axpy"): 1}[twin] == 1
    with pytest.raises(AttributeError):
        twin.name = "other"


def test_asking_again_gives_the_same(axpy, axpy_source, shared_cache, monkeypatch):
    monkeypatch.setenv("GRADION_CACHE", str(shared_cache))
    again = load("axpy", axpy_source)
    assert again is axpy
    assert again.target("Axpy") is axpy.target("Axpy")


def test_checks_for_nan_survive(axpy):
    x = jnp.array([1.0, jnp.nan, jnp.inf])
    np.testing.assert_array_equal(_call(axpy.target("IsNan"), x), [0.0, 1.0, 0.0])


def test_an_exception_in_cpp_is_an_error_in_python_and_the_process_lives(axpy):
    x = jnp.arange(3.0)
    with pytest.raises(jax.errors.JaxRuntimeError, match="boom of the test"):
        _call(axpy.target("Boom"), x).block_until_ready()
    np.testing.assert_array_equal(_call(axpy.target("Axpy"), x, a=1.0), x)


def test_a_wrong_dtype_or_rank_is_refused_by_the_handler(axpy):
    for x in (jnp.arange(3), jnp.ones((2, 2))):
        with pytest.raises(jax.errors.JaxRuntimeError, match="Wrong"):
            _call(axpy.target("Axpy"), x, a=1.0).block_until_ready()


def test_a_missing_symbol_names_its_neighbours(axpy):
    with pytest.raises(SymbolNotFoundError, match="'Axpi'.*did you mean 'Axpy'.*pragma"):
        axpy.target("Axpi")


def test_a_symbol_that_is_no_string_is_a_type_error(axpy):
    with pytest.raises(TypeError, match="symbol: got 3"):
        axpy.target(3)


def test_hidden_visibility_does_not_hide_handlers(own_cache, axpy_source):
    hidden = load("axpy", axpy_source, flags=["-O0", "-fvisibility=hidden"])
    assert hidden.target("Axpy").platforms == {"cpu"}


@pytest.mark.parametrize("name", ["", "a-b", "1a", "a/b", "a.b"])
def test_a_name_that_is_no_identifier_is_refused(name, axpy_source):
    with pytest.raises(ValueError, match="name: got"):
        load(name, axpy_source)


def test_no_sources_are_refused():
    with pytest.raises(ValueError, match="got no sources"):
        load("axpy", [])


def test_cuda_among_the_sources_is_refused(tmp_path):
    (tmp_path / "a.cu").touch()
    with pytest.raises(InputError, match="a.cu is CUDA; give it as cuda_sources"):
        load("a", tmp_path / "a.cu")


def test_a_syntax_error_leaves_nothing_behind(own_cache, answer):
    with pytest.raises(BuildError, match="extension 'answer'"):
        _load_answer(answer(1, before="int broken = ;"))
    assert list((own_cache / "answer").iterdir()) == []
    assert _load_answer(answer(2)) == 2


def test_without_a_compiler_loading_is_an_error(own_cache, answer, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CompilerNotFoundError, match="no C\\+\\+ compiler was found"):
        _load_answer(answer(1))


def test_a_changed_source_is_seen_in_the_same_process(own_cache, axpy_source, tmp_path):
    source = tmp_path / "axpy.cc"
    text = axpy_source.read_text()
    targets = []
    for factor in ("a", "10 * a"):
        source.write_text(text.replace("= a *", f"= {factor} *"))
        targets.append(load("axpy", source, flags=QUICK).target("Axpy"))
    assert targets[0].name != targets[1].name
    x = jnp.ones(2)
    # Both live: what was compiled with the first goes on.
    assert [float(_call(target, x, a=1.0)[0]) for target in targets] == [1.0, 10.0]


def test_a_changed_header_is_seen_in_the_same_process(own_cache, answer, tmp_path):
    header = tmp_path / "number.h"
    source = answer("NUMBER", before='#include "number.h"')
    found = []
    for number in (1, 2):
        header.write_text(f"#define NUMBER {number}\n")
        found.append(_load_answer(source))
    assert found == [1, 2]


def test_a_changed_inline_variable_is_seen_in_the_same_process(own_cache, answer):
    # GCC would make it one for all libraries of the process, with the value of the first.
    before = "inline int number = {0}; inline int& count() {{ static int n = {0}; return n; }}"
    found = [_load_answer(answer("number + count()", before=before.format(n))) for n in (1, 2)]
    assert found == [2, 4]


def test_threads_that_load_at_once_get_one_library(own_cache, answer):
    source = answer(5)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load("answer", source, flags=QUICK)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def _in_process(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _code(source):
    return (
        "from gradion.extension.library import load\n"
        f"built = load('answer', {str(source)!r}, flags=['-O0'])\n"
        "print('answer is', built._files['cpu'].opened.answer())\n"
    )


def test_eight_processes_at_once_all_succeed(own_cache, answer):
    running = [_in_process(_code(answer(3))) for _ in range(8)]
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [text.strip().splitlines()[-1] for text in said] == ["answer is 3"] * 8
    # One build, and no half of another.
    assert len(list((own_cache / "answer").iterdir())) == 1


def test_a_killed_build_does_not_hinder_the_next(own_cache, answer, tmp_path):
    # A compiler that takes its time, so that the kill comes in the middle for certain.
    slow = tmp_path / "slow"
    real = find_compiler().command[0]
    slow.write_text(
        f'#!/bin/sh\ncase "$1" in --version) echo slow;; *) touch "{tmp_path}/started"; sleep 60;;'
        f' esac\nexec "{real}" "$@"\n'
    )
    slow.chmod(0o755)
    source = answer(3)
    process = _in_process(_code(source), CXX=str(slow))
    deadline = time.monotonic() + 120
    while not (tmp_path / "started").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    leftovers = list((own_cache / "answer").glob(".build-*"))
    assert len(leftovers) == 1
    start = time.monotonic()
    assert _load_answer(source) == 3
    # It waited for nobody.
    assert time.monotonic() - start < 30


def test_a_child_forked_while_a_thread_loads_does_not_wait_for_it():
    held, done = threading.Event(), threading.Event()

    def hold():
        with library._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with warnings.catch_warnings():
        # JAX and Python warn of forks; this child does nothing with either.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        os._exit(0 if library._lock.acquire(blocking=False) else 1)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _prebuild(folder, source, *, minor=None, symbol=True):
    """Build as another machine would: with headers of a version, perhaps not by gradion."""
    unit = folder / "unit.cc"
    number = runtime_version().minor if minor is None else minor
    unit.write_text(
        f'extern "C" {{ extern const int gradion_ffi_api[2];\n'
        f"const int gradion_ffi_api[2] = {{0, {number}}}; }}\n"
        if symbol
        else ""
    )
    built = folder / "answer.so"
    subprocess.run(
        [find_compiler().command[0], "-shared", "-fPIC", source, unit, "-o", built],
        check=True,
    )
    return built


def test_a_prebuilt_library_is_loaded_by_its_path(answer, tmp_path):
    built = load_prebuilt(_prebuild(tmp_path, answer(9)))
    assert built.platforms == {"cpu"}
    assert built._files["cpu"].opened.answer() == 9


def test_a_prebuilt_library_of_newer_headers_is_refused_before_it_is_registered(
    answer, tmp_path, monkeypatch
):
    monkeypatch.setattr(jax.ffi, "register_ffi_target", lambda *_, **__: pytest.fail("registered"))
    built = _prebuild(tmp_path, answer(9), minor=runtime_version().minor + 1)
    with pytest.raises(InputError, match="answer.so: was built with headers of the XLA FFI 0"):
        load_prebuilt(built)


def test_an_older_version_is_taken(answer, tmp_path):
    assert load_prebuilt(_prebuild(tmp_path, answer(10), minor=1)).platforms == {"cpu"}


def test_a_library_without_a_version_needs_the_users_word(answer, tmp_path):
    built = _prebuild(tmp_path, answer(11), symbol=False)
    with pytest.raises(InputError, match="does not say which version"):
        load_prebuilt(built)
    assert load_prebuilt(built, unchecked=True).platforms == {"cpu"}


def test_the_users_word_does_not_cover_a_version_that_is_wrong(answer, tmp_path):
    built = _prebuild(tmp_path, answer(12), minor=99)
    with pytest.raises(InputError, match="XLA FFI 0.99"):
        load_prebuilt(built, unchecked=True)


def test_a_missing_prebuilt_library_is_told(tmp_path):
    with pytest.raises(InputError, match="no built library none.so nor none.cuda.so"):
        load_prebuilt(tmp_path / "none.so")


def test_a_damaged_prebuilt_library_is_told(tmp_path):
    (tmp_path / "bad.so").write_bytes(b"no library at all")
    with pytest.raises(InputError, match="bad.so: the built library cannot be opened"):
        load_prebuilt(tmp_path / "bad.so")


def test_without_nvcc_the_library_has_the_cpu_and_says_why(own_cache, answer, monkeypatch):
    monkeypatch.setattr(build_plan, "find_nvcc", lambda: None)
    source = answer(1)
    built = load("answer", source, cuda_sources=source, flags=QUICK)
    assert built.platforms == {"cpu"}
    with pytest.raises(SymbolNotFoundError, match="cuda: no nvcc was found"):
        built.target("Missing")


def test_cuda_alone_without_nvcc_is_an_error(own_cache, answer, monkeypatch):
    monkeypatch.setattr(build_plan, "find_nvcc", lambda: None)
    with pytest.raises(InputError, match="only cuda_sources, and no nvcc was found"):
        load("answer", [], cuda_sources=answer(1))


@pytest.mark.any_version
@pytest.mark.skipif(NVCC is None, reason="compiles CUDA, and there is no nvcc")
def test_cuda_is_compiled_and_registered_beside_the_cpu(own_cache, axpy_source):
    built = load("axpy", axpy_source, cuda_sources=axpy_source.with_name("scale.cu"), flags=QUICK)
    target = built.target("Axpy")
    assert target.platforms == {"cpu", "cuda"}
    np.testing.assert_array_equal(_call(target, jnp.ones(2), a=3.0), [3.0, 3.0])
    # Only the CPU has this one, and the target says so.
    assert built.target("IsNan").platforms == {"cpu"}
    assert "has no symbol 'IsNan'" in built.target("IsNan").missing[0]


@pytest.mark.any_version
@pytest.mark.skipif(NVCC is None, reason="compiles CUDA, and there is no nvcc")
def test_an_error_in_cuda_is_shown_in_nvccs_lines(own_cache, tmp_path):
    source = tmp_path / "bad.cu"
    source.write_text("\nint broken = ;\n")
    with pytest.raises(BuildError) as caught:
        load("bad", [], cuda_sources=source)
    assert "bad.cu(2)" in caught.value.output
