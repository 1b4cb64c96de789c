"""Every operation of the set, in C++ beside JAX, and random graphs of them."""

from __future__ import annotations

import numpy as np
import pytest

from gradion.graph import capture, evaluate

from ..unit.graph.operation_cases import CASES
from .compiled_graphs import compiled_graphs
from .random_programs import random_program

N_RANDOM = 120


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    graphs = {f"case_{case.name}": case.graph() for case in CASES}
    return graphs, compiled_graphs("cases", graphs, tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_operation_agrees_with_jax(cases, case):
    graphs, compiled = cases
    graph = graphs[f"case_{case.name}"]
    assert case.kind in {operation.kind for operation in graph}
    got = compiled[f"case_{case.name}"](case.arrays)
    for a, b in zip(got, evaluate(graph, case.arrays), strict=True):
        # XLA has functions of its own for exp, tanh and others: they differ by a few roundings.
        close = 1e-12 if a.dtype != np.float32 else 1e-6
        np.testing.assert_allclose(a, np.asarray(b), rtol=close, atol=close * 1e-3)
        assert a.dtype == b.dtype


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    made = {f"random_{seed}": random_program(seed) for seed in range(N_RANDOM)}
    graphs = {name: capture(p.function, *p.arrays) for name, p in made.items()}
    return made, compiled_graphs("programs", graphs, tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_a_random_graph_agrees_with_jax(programs, seed):
    made, compiled = programs
    name = f"random_{seed}"
    program = made[name]
    got = compiled[name](program.arrays)
    for a, b in zip(got, program.results, strict=True):
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            continue
        # 1e-12 of the largest intermediate; a float32 has 2^29 times the rounding.
        bound = program.largest * (1e-12 if a.dtype == np.float64 else 1e-12 * 2**29)
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)
