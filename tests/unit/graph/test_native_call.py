"""Calls of operators in graphs: named, not copied."""

from __future__ import annotations

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension import Array, Operator, find_operator
from gradion.foundation.errors import InputError
from gradion.graph import call, capture, evaluate
from gradion.numerics.kernels.segment_sum import segment_sum

VALUES, SEGMENTS = np.arange(8.0).reshape(4, 2), np.array([0, 2, 2, 0], np.int32)


def _total(values, segments):
    return segment_sum(values, segments, n_segments=3)


def test_a_kernel_is_one_operation_that_names_it():
    graph = capture(_total, VALUES, SEGMENTS)
    (operation,) = [o for o in graph if o.kind == "native_call"]
    assert operation.attributes["operator"] == "segment_sum"
    assert operation.attributes["attributes"] == {"n_segments": 3}
    np.testing.assert_array_equal(
        call(graph, VALUES, SEGMENTS), [[6.0, 8.0], [0.0, 0.0], [6.0, 8.0]]
    )


def test_its_derivatives_are_calls_too():
    weights = np.arange(6.0).reshape(3, 2)
    pull = lambda v, s: jax.vjp(lambda v: _total(v, s), v)[1](jnp.asarray(weights))[0]  # noqa: E731
    graph = capture(pull, VALUES, SEGMENTS)
    assert "vjp" in {o.attributes["call"] for o in graph if o.kind == "native_call"}
    np.testing.assert_array_equal(call(graph, VALUES, SEGMENTS), weights[SEGMENTS])
    of_graph = jax.grad(lambda v: (evaluate(capture(_total, VALUES, SEGMENTS), [v, SEGMENTS])[0]
                                   * weights).sum())  # fmt: skip
    np.testing.assert_array_equal(of_graph(jnp.asarray(VALUES)), weights[SEGMENTS])


def test_mapped_calls_are_calls():
    batch = np.stack([VALUES, VALUES * 2.0])
    mapped = jax.vmap(_total, (0, None))
    graph = capture(mapped, batch, SEGMENTS)
    np.testing.assert_array_equal(call(graph, batch, SEGMENTS), mapped(batch, SEGMENTS))


def test_an_operator_is_found_by_its_name_while_it_is_there():
    def make():
        return Operator(
            "twice_of_it",
            inputs=(Array("x", np.float64, ("n",)),),
            outputs=(Array("y", np.float64, ("n",)),),
            reference=lambda x: 2.0 * x,
        )

    first = make()
    assert find_operator("twice_of_it") is first
    second = make()
    assert find_operator("twice_of_it") is second
    del first, second
    gc.collect()
    with pytest.raises(InputError, match="unknown operator 'twice_of_it'; import the package"):
        find_operator("twice_of_it")
    assert find_operator("segment_sum").name == "segment_sum"
