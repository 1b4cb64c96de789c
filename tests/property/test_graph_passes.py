"""Random graphs before and after each pass: operation by operation, equal to the last bit."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from gradion.graph import evaluate
from gradion.graph.passes import (
    BACK_END_PASSES,
    count_operations,
    fold_constants,
    inline,
    merge_equal,
    optimise,
    prune_unused,
    settle_control,
    simplify,
    spread_number,
)
from gradion.graph.passes.rules import RULES

from .random_graphs import random_arrays, random_graph

SEEDS = range(20)
PASSES = (prune_unused, settle_control, inline, simplify, fold_constants, merge_equal)
# They write out what was inside of one operation.
GROWING = (inline, settle_control)


@pytest.fixture(autouse=True)
def operation_by_operation():
    """Loops too, which JAX would compile as a whole and contract sums and products in.

    The second is what constants are folded under: JAX compiles operations for each once more.
    """
    with jax.disable_jit(), jax.ensure_compile_time_eval():
        yield


def _run(graph, arrays):
    return [np.asarray(y) for y in evaluate(graph, arrays)]


@functools.cache
def _program(seed):
    graph, arrays = random_graph(seed), random_arrays(np.random.default_rng(seed))
    return graph, arrays, _run(graph, arrays)


def _same_bits(found, wanted):
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("run", PASSES, ids=lambda run: run.__name__)
def test_a_pass_changes_no_bit_and_nothing_twice(run):
    n_changes = 0
    for seed in SEEDS:
        graph, arrays, wanted = _program(seed)
        text = str(graph)
        result = run(graph)
        n_changes += len(result.report.changes)
        assert _same_bits(_run(result.graph, arrays), wanted), seed
        again = run(result.graph)
        assert not again.report.changes, seed
        assert again.graph is result.graph
        assert str(graph) == text, "a pass leaves the graph that it gets as it is"
        if run not in GROWING:
            assert count_operations(result.graph) <= count_operations(graph)
        _check_frame(graph, result.graph)
    assert n_changes > len(SEEDS), "the graphs give each pass something to do"


@pytest.mark.parametrize("seed", SEEDS)
def test_all_passes_together_change_no_bit(seed):
    graph, arrays, wanted = _program(seed)
    result = optimise(graph, BACK_END_PASSES)
    assert _same_bits(_run(result.graph, arrays), wanted)
    assert not optimise(result.graph, BACK_END_PASSES).report.changes
    _check_frame(graph, result.graph)


def _check_frame(before, after):
    """Inputs as they were; operations that are left have their kinds, or are what replaced them."""
    assert [(t.name, t.type) for t in before.inputs] == [(t.name, t.type) for t in after.inputs]
    assert [t.type for t in before.outputs] == [t.type for t in after.outputs]
    old = {operation.name: operation for operation in before}
    for operation in after:
        if operation.name in old:
            own = old[operation.name]
            assert operation.outputs[0].type == own.outputs[0].type or own.subgraphs


def _add_zero(draft):
    number = spread_number(draft.inputs[1])
    return draft.like(draft.inputs[0]) if number == 0 else None


def _times_zero(draft):
    number = spread_number(draft.inputs[1])
    return draft.like(draft.inputs[1]) if number == 0 else None


@pytest.mark.parametrize(("kind", "wrong"), [("add", _add_zero), ("mul", _times_zero)])
def test_a_wrong_rule_is_found(kind, wrong):
    rules = {**RULES, kind: (*RULES[kind], ("wrong", wrong))}
    found = 0
    for seed in SEEDS:
        graph, arrays, wanted = _program(seed)
        found += not _same_bits(_run(simplify(graph, rules=rules).graph, arrays), wanted)
    assert found > 1
