"""Real laws through C++: values and derivatives beside XLA, and what a new parameter costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.cell.models import build_cell
from gradion.cell.parameters import load_parameters
from gradion.extension import built_library
from gradion.graph import UnsupportedOperationError, evaluate
from gradion.graph.cpp import CppFunction, CppOptions, compile_cpp, export_folder, write_cpp
from gradion.graph.cpp.value import BufferRole
from gradion.module import Parameter
from gradion.testing import assert_adjoint

from .cell_laws import (
    NODES,
    diffusivity,
    interpolated,
    open_circuit_negative,
    open_circuit_positive,
    particle,
    sine,
)

_WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only")


@dataclass
class _Law:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    compiled: CppFunction = field(init=False)

    def __post_init__(self) -> None:
        self.compiled = compile_cpp(self.function, *self.arguments)


@pytest.fixture(scope="module")
def cell():
    return build_cell(load_parameters("chen2020"))


@pytest.fixture(scope="module")
def laws(cell):
    x, T = jnp.linspace(-0.05, 1.05, 23), jnp.asarray(305.0)
    at = jnp.array([-0.2, 0.0, 0.1234, 0.5, NODES[7], 1.0, 1.3])
    c_s = jnp.linspace(0.3, 0.7, 10) ** 2
    return {
        "negative": _Law(open_circuit_negative, (cell, x, T)),
        "positive": _Law(open_circuit_positive, (cell, x, T)),
        "diffusivity": _Law(diffusivity, (cell, x, T)),
        "spline": _Law(interpolated, (sine(np.sin(5 * NODES)), at)),
        "fitted spline": _Law(interpolated, (sine(Parameter(np.sin(5 * NODES))), at)),
        "particle": _Law(particle, (cell, c_s, jnp.asarray(0.02), T)),
    }


LAWS = ("negative", "positive", "diffusivity", "spline", "fitted spline", "particle")


@pytest.fixture(params=LAWS)
def law(laws, request):
    return laws[request.param]


def _largest(graph, arrays) -> float:
    """The largest finite number on the way: what roundings are relative to."""
    every = type(graph)()
    known = {t: every.placeholder(t.type, name=t.operation.name) for t in graph.inputs}
    for operation in graph:
        if operation.kind != "placeholder":
            copy = every.add(
                operation.kind,
                [known[t] for t in operation.inputs],
                [t.type for t in operation.outputs],
                attributes=operation.attributes,
                subgraphs=operation.subgraphs,
                value=operation.value,
            )
            known.update(zip(operation.outputs, copy.outputs, strict=True))
    every.outputs = [t for t in known.values() if t.dtype.startswith("float")]
    found = [np.abs(np.asarray(v)) for v in evaluate(every, arrays)]
    return max(float(v[np.isfinite(v)].max(initial=0.0)) for v in found)


def _close(got: Any, want: Any, scale: float) -> None:
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * scale)


def _random_like(tree: Any, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    leaves, structure = jax.tree.flatten(tree)
    made = [jnp.asarray(generator.normal(size=jnp.shape(x))) for x in leaves]
    return jax.tree.unflatten(structure, made)


def test_the_value_agrees_with_xla(law):
    arrays = law.compiled.arrays(*law.arguments)
    scale = _largest(law.compiled.graphs[law.compiled.name], arrays)
    _close(law.compiled(*law.arguments), jax.jit(law.function)(*law.arguments), scale)


def test_the_derivatives_agree_with_xla(law):
    f, g = law.compiled, law.function
    scales = {}
    for kind in ("jvp", "vjp"):
        graph = f.graphs[f"{f.name}_{kind}"]
        arrays = f.arrays(*law.arguments)
        ones = [np.ones(t.shape, t.dtype) for t in graph.inputs[len(arrays) :]]
        # Tangents of size one: random ones are at most a few times as large.
        scales[kind] = 4.0 * _largest(graph, [*arrays, *ones])
    tangents = _random_like(law.arguments, 0)
    got = jax.jit(lambda a, t: jax.jvp(f, a, t))(law.arguments, tangents)
    want = jax.jit(lambda a, t: jax.jvp(g, a, t))(law.arguments, tangents)
    _close(got[1], want[1], scales["jvp"])
    cotangents = _random_like(want[0], 1)
    got = jax.jit(lambda a, w: jax.vjp(f, *a)[1](w))(law.arguments, cotangents)
    want = jax.jit(lambda a, w: jax.vjp(g, *a)[1](w))(law.arguments, cotangents)
    _close(got, want, scales["vjp"])


def test_the_two_derivatives_are_transposes(laws):
    law = laws["particle"]
    cell, c_s, eta, T = law.arguments
    f = law.compiled
    assert_adjoint(lambda at: f(cell, at[0], at[1], T)[0], (c_s, eta), jax.random.key(0))


def test_it_maps_and_has_second_derivatives(cell):
    f = compile_cpp(open_circuit_negative, cell, jnp.asarray(0.5), jnp.asarray(300.0))
    x, T = jnp.linspace(0.1, 0.9, 5), jnp.asarray(300.0)
    mapped = jax.vmap(f, (None, 0, None))(cell, x, T)
    _close(mapped, jax.vmap(open_circuit_negative, (None, 0, None))(cell, x, T), 10.0)
    got = jax.vmap(jax.grad(jax.grad(f, 1), 1), (None, 0, None))(cell, x, T)
    want = jax.vmap(jax.grad(jax.grad(open_circuit_negative, 1), 1), (None, 0, None))(cell, x, T)
    # Curvatures of tanh(30 x) reach 30^2.
    _close(got, want, 1e3)


def test_a_new_parameter_compiles_nothing(laws, cell, monkeypatch):
    builds, traces = [], []
    realise = built_library.realise
    monkeypatch.setattr(
        "gradion.extension.library.realise",
        lambda *given, **more: builds.append(given) or realise(*given, **more),
    )
    f = laws["diffusivity"].compiled
    x, T = jnp.linspace(0.0, 1.0, 23), jnp.asarray(310.0)

    @jax.jit
    def step(cell, x):
        traces.append(1)
        return jax.value_and_grad(lambda c: f(c, x, T).sum())(cell)

    value, _ = step(cell, x)
    doubled = cell.with_parameters(
        {"negative.D_s.value": 2.0 * jnp.asarray(cell.negative.D_s.value)}
    )
    value_2, gradient = step(doubled, x)
    assert float(value_2 / value) == pytest.approx(2.0, rel=1e-14)
    assert len(traces) == 1
    # Compiled anew from the new numbers: the same text, hence the same operator, and no g++.
    again = compile_cpp(diffusivity, doubled, x, T)
    assert again.operator is f.operator
    assert builds == []
    want = jax.grad(lambda c: diffusivity(c, x, T).sum())(doubled)
    _close(gradient.negative.D_s.value, want.negative.D_s.value, float(jnp.abs(x).sum()))


def test_another_structure_is_refused(laws, cell):
    with pytest.raises(TypeError, match="structure"):
        laws["diffusivity"].compiled(cell, jnp.zeros(23))


def test_a_shape_other_than_the_examples_is_refused(laws, cell):
    with pytest.raises(ValueError, match="shape"):
        laws["diffusivity"].compiled(cell, jnp.zeros(5), jnp.asarray(300.0))


@pytest.fixture(scope="module")
def text(laws, tmp_path_factory) -> Path:
    """All laws as one header, and a file that includes it twice over."""
    graphs = {}
    for name, law in laws.items():
        for kind, graph in law.compiled.graphs.items():
            graphs[f"{name.replace(' ', '_')}{kind.removeprefix(law.compiled.name)}"] = graph
    folder = tmp_path_factory.mktemp("text")
    header = write_cpp(graphs, options=CppOptions(header_only=True))
    (folder / "laws.h").write_text(header.text, encoding="ascii")
    user = "\n".join(
        [
            '#include "laws.h"',
            "template <typename Law> double Call(Law law, const double* x, double* y) {",
            "  law(x, y); return *y; }",
            "int main() { return 0; }",
        ]
    )
    (folder / "user.cc").write_text(user, encoding="ascii")
    calls = [
        f"{f.name}({', '.join(['in'] * len(f.inputs) + ['out'] * len(f.outputs))}, out);"
        for f in header.functions.values()
    ]
    kernel = "__global__ void Kernel(const double* in, double* out) {"
    device = "\n".join(['#include "laws.h"', kernel, *calls, "}"])
    (folder / "user.cu").write_text(device + "\n", encoding="ascii")
    (folder / "laws.cc").write_text(write_cpp(graphs).text, encoding="ascii")
    return folder


def test_the_text_compiles_without_a_warning(text):
    for file in ("laws.cc", "user.cc"):
        subprocess.run(["g++", *_WARNINGS, file], cwd=text, check=True)


@pytest.mark.any_version
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no nvcc")
def test_the_text_compiles_under_nvcc(text):
    # Without the sanitizers that `make sanitize` puts in front: they are for our code, not nvcc's.
    environment = {key: x for key, x in os.environ.items() if key != "LD_PRELOAD"}
    subprocess.run(
        ["nvcc", "-std=c++17", "-arch=sm_80", "-c", "user.cu", "-o", "user.o"],
        cwd=text,
        check=True,
        env=environment,
    )


def test_the_text_names_its_lines(laws):
    source = laws["particle"].compiled.source()
    assert "// cell_laws.py:" in source.text
    assert "include <xla" not in source.text
    assert str(Path(__file__).parent) not in source.text


def test_a_folder_runs_without_python(laws, tmp_path):
    law = laws["particle"]
    folder = export_folder(law.compiled, tmp_path / "particle", *law.arguments)
    assert {p.name for p in folder.iterdir()} == {
        "Makefile",
        "particle.cc",
        "particle.h",
        "particle_test.cc",
    }
    done = subprocess.run(["make"], cwd=folder, check=True, capture_output=True, text=True)
    assert "largest error" in done.stdout
    # A stored number that is wrong by 0.1 % must be found.
    test = folder / "particle_test.cc"
    lines = test.read_text(encoding="ascii").splitlines()
    at = next(i for i, line in enumerate(lines) if "particle_out_1[]" in line) + 1
    lines[at] = f"    {float(lines[at].strip(' ,')) * 1.001!r},"
    test.write_text("\n".join(lines) + "\n", encoding="ascii")
    wrong = subprocess.run(["make"], cwd=folder, check=False, capture_output=True, text=True)
    assert wrong.returncode != 0
    # The header is C.
    user = '#include "particle.h"\nint main(void) { return (int)particle_workspace() * 0; }\n'
    (folder / "user.c").write_text(user, encoding="ascii")
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "user.c"],
        cwd=folder,
        check=True,
    )


def test_memory_is_used_again(laws):
    f = laws["fitted spline"].compiled
    function = f.source().functions[f"{f.name}_vjp"]
    assert 0 < function.n_bytes < function.unshared_bytes
    assert all(b.role in (BufferRole.INPUT, BufferRole.OUTPUT) for b in function.outputs)


def test_an_unsupported_operation_is_named_with_its_line():
    def sorts(x):
        y = 2.0 * x
        return jnp.fft.fft(y).real

    with pytest.raises(
        UnsupportedOperationError, match=r"test_graph_cpp\.py:\d+: .*'fft'"
    ) as error:
        compile_cpp(sorts, jnp.ones(4))
    assert error.value.operation == "fft"
    assert error.value.source.line == sorts.__code__.co_firstlineno + 2


def test_a_dtype_without_cpp_is_refused():
    with pytest.raises(UnsupportedOperationError, match="float16"):
        compile_cpp(lambda x: x + x, jnp.ones(3, jnp.float16))


def test_a_result_of_nothing_is_refused():
    with pytest.raises(ValueError, match="depends on no argument"):
        compile_cpp(lambda x: jnp.ones(3), jnp.ones(3))


def test_a_name_of_cpp_is_refused():
    with pytest.raises(ValueError, match="'while'"):
        compile_cpp(lambda x: 2.0 * x, jnp.ones(3), name="while")


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "graph-cpp.md"
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec("\n".join(blocks), {})
    printed = capsys.readouterr().out
    said = re.findall(r"```text\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert said
    for text in said:
        assert text in printed
    done = subprocess.run(
        ["make"], cwd=tmp_path / "law", capture_output=True, text=True, check=True
    )
    assert "tolerance 1e-12" in done.stdout
