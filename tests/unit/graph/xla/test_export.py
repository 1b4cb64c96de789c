"""Graphs as StableHLO: the same numbers, for several platforms, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from gradion.foundation.errors import InputError
from gradion.graph import capture, evaluate
from gradion.graph.xla import export_stablehlo, run_stablehlo

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3)


@pytest.fixture(scope="module")
def graph():
    return capture(lambda x, w: (jnp.tanh(x @ w), x.sum(), jnp.arange(2)), X, X.T)


@pytest.fixture(scope="module")
def content(graph):
    return export_stablehlo(graph)


def test_it_gives_the_same_numbers(graph, content):
    found = run_stablehlo(content, [X, X.T])
    want = jax.jit(lambda *a: evaluate(graph, a))(X, X.T)
    for got, wanted in zip(found, want, strict=True):
        assert got.dtype == wanted.dtype
        # The same program but for the choice of a platform in front.
        np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_it_is_for_all_platforms_and_tells_nothing_of_this_machine(content):
    assert export.deserialize(bytearray(content)).platforms == ("cpu", "cuda", "tpu")
    assert b".py" not in content


def test_equal_graphs_give_equal_bytes(content):
    again = capture(lambda a, b: (jnp.tanh(a @ b), a.sum(), jnp.arange(2)), X, X.T)
    assert export_stablehlo(again) == content


@pytest.mark.parametrize(
    ("arrays", "error"),
    [
        ([X], TypeError),
        ([X, X], TypeError),
        ([X.astype(np.float32), X.T], TypeError),
    ],
    ids=["number", "shape", "dtype"],
)
def test_inputs_that_do_not_fit(content, arrays, error):
    with pytest.raises(error):
        run_stablehlo(content, arrays)


def test_a_program_for_other_platforms_is_refused(graph):
    with pytest.raises(InputError, match=r"exported for platforms.*tpu.*export it"):
        run_stablehlo(export_stablehlo(graph, platforms=["tpu"]), [X, X.T])
    with pytest.raises(ValueError, match="abacus"):
        export_stablehlo(graph, platforms=["abacus"])


@pytest.mark.parametrize("content", [b"", b"no program", b"\x00" * 100])
def test_what_is_no_program_is_refused(content):
    with pytest.raises(InputError, match="StableHLO: no program for jax"):
        run_stablehlo(content, [])


def test_a_program_that_calls_other_code_is_refused():
    shape = jax.ShapeDtypeStruct((2, 2), np.float64)
    exported = export.export(jax.jit(jnp.linalg.cholesky), platforms=["cpu"])(shape)
    with pytest.raises(InputError, match="calls lapack_dpotrf_ffi"):
        run_stablehlo(bytes(exported.serialize()), [np.eye(2)])
