"""Pieces of the generated text: literals, names, groups, memory."""

from __future__ import annotations

import re
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import capture
from gradion.graph.cpp import CppOptions, write_cpp
from gradion.graph.cpp.grouping import group_values
from gradion.graph.cpp.lowering import lower
from gradion.graph.cpp.memory import plan_memory
from gradion.graph.cpp.names import Names
from gradion.graph.cpp.scalar_type import cpp_type, itemsize, literal
from gradion.graph.cpp.value import Role


def _bits() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {}
    for dtype, word in (("float64", np.uint64), ("float32", np.uint32)):
        drawn = rng.integers(0, np.iinfo(word).max, 300, dtype=word).view(dtype)
        info = np.finfo(dtype)
        edges = [0.1, 1 / 3, info.max, info.tiny, info.smallest_subnormal, 1e22, 0.0, -0.0, np.inf]
        found[dtype] = np.concatenate([drawn[np.isfinite(drawn)], np.array(edges, dtype), [1.5]])
        found[dtype] = found[dtype].astype(dtype)
    for dtype in ("int32", "int64", "uint32"):
        info = np.iinfo(dtype)
        found[dtype] = np.array([info.min, info.min + 1, 0, 7, info.max], dtype)
    return found


def test_a_literal_is_the_number_bit_by_bit(tmp_path):
    lines = ["#include <cmath>", "#include <cstdint>", "#include <cstdio>", "int main() {"]
    for dtype, numbers in _bits().items():
        t = cpp_type(dtype)
        items = ", ".join(literal(x, dtype) for x in numbers)
        lines.append(f"static const {t} {dtype}[] = {{{items}}};")
        lines.append(f"fwrite({dtype}, {itemsize(dtype)}, {len(numbers)}, stdout);")
    (tmp_path / "literals.cc").write_text("\n".join([*lines, "}"]), encoding="ascii")
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*command, "literals.cc", "-o", "literals"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "literals"], check=True, capture_output=True).stdout
    assert out == b"".join(x.tobytes() for x in _bits().values())


def test_literals_of_what_is_no_number():
    assert literal(np.float64("nan"), "float64") == "static_cast<double>(NAN)"
    assert literal(np.float32("-inf"), "float32") == "-INFINITY"
    assert literal(np.bool_(True), "bool") == "true"


def test_names_are_identifiers_and_used_once():
    names = Names()
    found = [names.unique(t) for t in ("negative.D_s", "negative.D_s", "for", "3x", "i", "exp", "")]
    assert found == ["negative_D_s", "negative_D_s_2", "for_2", "_3x", "i_2", "exp_2", "value"]
    # Helpers and indices of kernels.
    assert [names.unique(t) for t in ("sign_float64", "start_0")] == ["sign_float64_2", "start_0_2"]


def _lowered(function, *arrays):
    lowered = lower(capture(function, *arrays), ["out"])
    return lowered, group_values(lowered.values)


def test_a_chain_is_one_loop_and_touches_memory_only_at_its_ends():
    _, groups = _lowered(lambda x: jnp.tanh(x * 2.0 + 1.0) ** 2, jnp.ones(8))
    (group,) = groups
    assert len(group.values) == 4
    assert [v.stored for v in group.values] == [False, False, False, True]


def test_neighbours_need_a_second_loop():
    _, groups = _lowered(lambda x: (y := jnp.exp(x))[1:] - y[:-1], jnp.ones(8))
    assert [group.loop for group in groups] == [(8,), (7,)]


def test_shapes_that_differ_by_ones_share_a_loop():
    _, groups = _lowered(
        lambda x: jnp.exp(x)[:, None, :] * jnp.sin(x)[:, None, :], jnp.ones((4, 3))
    )
    assert [group.loop for group in groups] == [(4, 3)]


def test_parts_of_a_concatenation_are_written_in_place():
    def function(x):
        return jnp.concatenate([jnp.exp(x), jnp.sin(x[:2]), x]).reshape(3, 4) * 1.0

    text = write_cpp({"law": capture(function, jnp.ones(5))}).text
    lowered, groups = _lowered(function, jnp.ones(5))
    plan = plan_memory(lowered.values, groups)
    # One buffer; only x, which is no value of its own, is copied.
    assert len(plan.buffers) == 1
    assert sum(v.role is Role.LOOP and v.operation is None for v in lowered.values) == 1
    assert text.count("concatenate_1_data[") == 4


def test_buffers_that_live_at_once_do_not_overlap():
    def function(x):
        for shift in range(1, 6):
            x = jnp.roll(jnp.exp(-x), shift) + x
        return x

    lowered, groups = _lowered(function, jnp.ones(40))
    plan = plan_memory(lowered.values, groups)
    for i, a in enumerate(plan.buffers):
        assert a.offset % 64 == 0
        assert a.offset + a.n_bytes <= plan.n_bytes
        for b in plan.buffers[:i]:
            apart = a.offset + a.n_bytes <= b.offset or b.offset + b.n_bytes <= a.offset
            assert apart or a.last < b.first or b.last < a.first
    assert plan.n_bytes < plan.total


def test_comments_are_the_only_difference_that_they_make():
    graph = capture(lambda x: jnp.exp(x) + 1.0, jnp.ones(3))
    with_comments = write_cpp({"law": graph}).text
    without = write_cpp({"law": graph}, options=CppOptions(comments=False)).text
    assert "test_text.py" in with_comments
    assert "test_text.py" not in without
    assert re.sub(r" *// test_text.*\n", "", with_comments) == without


def test_a_header_has_no_symbols_to_link():
    graph = capture(lambda x: x + 1.0, jnp.ones(3))
    made = write_cpp({"law": graph}, options=CppOptions(header_only=True))
    assert "#pragma once" in made.text
    assert 'extern "C"' not in made.text
    assert "// inputs[0]: double x[3]" in made.header


def test_results_can_be_named():
    graph = capture(lambda x: x + 1.0, jnp.ones(3))
    made = write_cpp({"law": graph}, outputs={"law": ["dxdt"]})
    assert "double* dxdt" in made.text
    with pytest.raises(ValueError, match="got 2 names of outputs, expected 1"):
        write_cpp({"law": graph}, outputs={"law": ["a", "b"]})
