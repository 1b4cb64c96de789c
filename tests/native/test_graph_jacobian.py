"""Sparse Jacobians as C++: beside dense ones of JAX, and through every way out."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.cell.models import build_cell
from gradion.cell.parameters import load_parameters
from gradion.graph import capture
from gradion.graph.cpp import CppOptions, compile_cpp, export_folder, write_cpp
from gradion.graph.sparse import sparse_jacobian

from ..unit.graph.sparse.dense_jacobian import assert_same, dense, sparse
from .cell_laws import (
    NODES,
    diffusivity,
    interpolated,
    open_circuit_negative,
    open_circuit_positive,
    particle,
    sine,
)
from .compiled_graphs import compiled_graphs
from .random_programs import random_program

N_RANDOM = 20
_WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only")
_ROOT = Path(__file__).parents[2]


def _residual():
    """The model of the DFN's size that is also the benchmark."""
    path = _ROOT / "benchmarks" / "graph_cpp_parts" / "battery_residual.py"
    spec = importlib.util.spec_from_file_location("battery_residual", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def laws():
    """Functions, their arguments, and the place of the argument of the Jacobian."""
    cell, model = build_cell(load_parameters("chen2020")), _residual()
    x, T = jnp.linspace(-0.05, 1.05, 23), jnp.asarray(305.0)
    at = jnp.array([-0.2, 0.0, 0.1234, 0.5, NODES[7], 1.0, 1.3])
    c_s = jnp.linspace(0.3, 0.7, 10) ** 2
    spline = sine(np.sin(5 * NODES))
    return {
        "negative": (open_circuit_negative, (cell, x, T), 1),
        "positive": (open_circuit_positive, (cell, x, T), 1),
        "diffusivity": (diffusivity, (cell, x, T), 2),
        "spline": (interpolated, (spline, at), 1),
        "particle": (particle, (cell, c_s, jnp.asarray(0.02), T), 1),
        "parameters": (particle, (cell, c_s, jnp.asarray(0.02), T), 0),
        "residual": (model.residual, (cell, model.state(), jnp.asarray(10.0)), 1),
    }


LAWS = ("negative", "positive", "diffusivity", "spline", "particle", "parameters", "residual")


@pytest.fixture(scope="module")
def made(laws):
    return {name: sparse_jacobian(f, *args, of=of) for name, (f, args, of) in laws.items()}


def _random_graphs():
    programs = {f"random_{seed}": random_program(seed) for seed in range(N_RANDOM)}
    graphs = {name: capture(p.function, *p.arrays) for name, p in programs.items()}
    # Where no element is there is no column.
    some = [name for name, p in programs.items() if any(x.size for x in p.arrays)]
    return {name: (graphs[name], programs[name].arrays) for name in some}


@pytest.fixture(scope="module")
def programs():
    """Graphs, their arrays and their dense Jacobians: one program, which is compiled once."""
    graphs = _random_graphs()
    arrays = {name: a for name, (_, a) in graphs.items()}
    want = jax.jit(lambda given: {name: dense(graphs[name][0], a) for name, a in given.items()})
    return graphs, want(arrays)


@pytest.fixture(scope="module")
def compiled(made, programs, tmp_path_factory):
    """All of them in one library."""
    jacobians = {**made, **{name: sparse(graph) for name, (graph, _) in programs[0].items()}}
    graphs = {name: jacobian.graph for name, jacobian in jacobians.items()}
    return jacobians, compiled_graphs("jacobians", graphs, tmp_path_factory.mktemp("jacobians"))


def _dense(function, arguments, of):
    """The Jacobian by the floating arrays of one argument."""
    leaves, tree = jax.tree.flatten(arguments[of])

    def flat(x):
        sizes = np.cumsum([np.size(leaf) for leaf in leaves])[:-1]
        parts = [
            p.reshape(np.shape(leaf)) for p, leaf in zip(jnp.split(x, sizes), leaves, strict=True)
        ]
        given = [*arguments[:of], jax.tree.unflatten(tree, parts), *arguments[of + 1 :]]
        return jnp.concatenate([jnp.ravel(y) for y in jax.tree.leaves(function(*given))])

    point = jnp.concatenate([jnp.ravel(jnp.asarray(leaf)) for leaf in leaves])
    return np.asarray(jax.jit(jax.jacfwd(flat))(point))


@pytest.fixture(scope="module")
def of_residual(laws):
    """The dense Jacobian of the residual by the state, compiled once."""
    return jax.jit(jax.jacfwd(laws["residual"][0], 1))


@pytest.mark.parametrize("name", LAWS)
def test_a_law_has_the_entries_that_jax_finds(laws, made, compiled, of_residual, name):
    function, arguments, of = laws[name]
    want = of_residual(*arguments) if name == "residual" else _dense(function, arguments, of)
    want = np.asarray(want)
    (values,) = compiled[1][name]([np.asarray(x) for x in jax.tree.leaves(arguments)])
    found = np.asarray(made[name].pattern.dense(jnp.asarray(values)))
    # A column of its own scale each: the parameters are not comparable. 1e-12 of the largest.
    scale = np.abs(want).max(axis=0, initial=0.0) if name == "parameters" else np.abs(want).max()
    assert np.all(np.abs(found - want) <= 1e-12 * scale)


def test_the_residual_has_no_entry_that_is_always_zero(laws, made, of_residual):
    _, (cell, y, current), _ = laws["residual"]
    rng = np.random.default_rng(0)
    there = np.zeros(made["residual"].pattern.shape, bool)
    for _ in range(2):
        point = y * jnp.asarray(rng.uniform(0.9, 1.1, y.shape))
        there |= np.asarray(of_residual(cell, point, current)) != 0
    pattern = made["residual"].pattern
    rows, columns = np.nonzero(there)
    np.testing.assert_array_equal(pattern.rows, rows)
    np.testing.assert_array_equal(pattern.indices, columns)
    assert pattern.size == 3410


@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_a_random_program_has_the_entries_that_jax_finds(programs, compiled, seed):
    name = f"random_{seed}"
    graphs, want = programs
    if name not in graphs:
        assert not any(x.size for x in random_program(seed).arrays)
        return
    jacobian, run = compiled[0][name], compiled[1][name]
    (values,) = run(graphs[name][1])
    # A float32 has 2^29 times the rounding.
    single = values.dtype == np.float32
    assert_same(values, jacobian, want[name], 1e-12 * (2**29 if single else 1))


@pytest.fixture(scope="module")
def wave():
    """A small function through the whole of it, with g++ for its derivatives too."""

    def wave(k, x):
        return k["a"] * jnp.sin(x[1:]) * x[:-1], x.sum()

    k, x = {"a": jnp.asarray(2.0), "unused": jnp.ones(3)}, jnp.linspace(0.1, 0.5, 5)
    return wave, k, x, compile_cpp(wave, k, x, jacobian_of=1)


def test_it_is_called_from_jax(wave):
    function, k, x, fast = wave
    want = _dense(function, (k, x), 1)
    got = jax.jit(fast.jacobian)(k, x)
    np.testing.assert_allclose(fast.jacobian.pattern.dense(got), want, rtol=1e-15)
    np.testing.assert_allclose(fast.jacobian.dense(k, x), want, rtol=1e-15)
    points = jnp.stack([x, 2.0 * x])
    mapped = jax.vmap(fast.jacobian, (None, 0))(k, points)
    np.testing.assert_allclose(mapped[1], fast.jacobian(k, 2.0 * x), rtol=1e-15)
    # A second derivative: that of row 0, whose entries are a sin(x1) and a x0 cos(x1).
    second = jax.jacfwd(fast.jacobian, 1)(k, x)[0]
    np.testing.assert_allclose(second, [0.0, 2.0 * jnp.cos(x[1]), 0.0, 0.0, 0.0], rtol=1e-15)
    with pytest.raises(TypeError, match="structure"):
        fast.jacobian(x)


def test_an_array_that_the_function_does_not_use_has_columns(wave):
    function, k, x, _ = wave
    by_k = compile_cpp(function, k, x, jacobian_of=0).jacobian
    assert by_k.pattern.shape == (5, 4)
    np.testing.assert_allclose(by_k.dense(k, x), _dense(function, (k, x), 0), rtol=1e-15)


def test_without_it_there_is_none():
    plain = compile_cpp(lambda x: 2.0 * x, jnp.ones(3), name="plain")
    with pytest.raises(ValueError, match="jacobian_of="):
        _ = plain.jacobian


def test_the_pattern_is_in_the_file(wave, tmp_path):
    *_, fast = wave
    source = fast.source()
    pattern = fast.jacobian.pattern
    assert f"extern const int32_t wave_jacobian_indices[{pattern.size}];" in source.header
    (tmp_path / "wave.cc").write_text(source.text, encoding="ascii")
    (tmp_path / "wave.h").write_text(source.header, encoding="ascii")
    inline = fast.source(CppOptions(header_only=True)).text
    (tmp_path / "inline.h").write_text(inline, encoding="ascii")
    user = (
        '#include <cstdio>\n#include "wave.h"\nint main() {\n'
        f"  for (int i = 0; i < {pattern.shape[0] + 1}; ++i)"
        ' std::printf("%d ", (int)wave_jacobian_indptr[i]);\n'
        f"  for (int i = 0; i < {pattern.size}; ++i)"
        ' std::printf("%d ", (int)wave_jacobian_indices[i]);\n}\n'
    )
    (tmp_path / "user.cc").write_text(user, encoding="ascii")
    (tmp_path / "other.cc").write_text(
        '#include "inline.h"\nint main() { return wave_jacobian_indptr[0]; }\n', encoding="ascii"
    )
    for file in ("wave.cc", "user.cc", "other.cc"):
        subprocess.run(["g++", *_WARNINGS, file], cwd=tmp_path, check=True)
    subprocess.run(["g++", "wave.cc", "user.cc", "-o", "user"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "user"], check=True, capture_output=True, text=True).stdout
    assert [int(n) for n in out.split()] == [*pattern.indptr, *pattern.indices]


def test_a_folder_tests_it_too(wave, tmp_path):
    _, k, x, fast = wave
    folder = export_folder(fast, tmp_path / "wave", k, x)
    subprocess.run(["make"], cwd=folder, check=True, capture_output=True)
    assert "wave_jacobian(inputs, outputs" in (folder / "wave_test.cc").read_text(encoding="ascii")


def test_a_gather_at_known_places_asks_no_questions():
    made = sparse_jacobian(lambda x: jnp.exp(x)[np.array([3, 0, 0, 2])], jnp.ones(4))
    text = write_cpp({"picked": made.graph}).text
    assert "start_0" in text
    assert "inside_int64" not in text
