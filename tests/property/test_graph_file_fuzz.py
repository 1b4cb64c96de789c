"""Damaged files of graphs: an InputError, or a graph that evaluates; never anything else.

GRADION_FUZZ=20000 in the environment takes that many examples a test; the fast tier has few.
"""

from __future__ import annotations

import os
import time

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gradion.foundation.dimension import Dimension
from gradion.foundation.errors import InputError
from gradion.graph import evaluate
from gradion.graph.definition import GraphDef, Limits, from_bytes, to_bytes

from ..unit.graph.definition.graph_comparison import require_same
from .damaged_files import changed_part, cut, files, flipped, with_mended_sums
from .random_graphs import random_arrays, random_graph

_EXAMPLES = int(os.environ.get("GRADION_FUZZ", "0"))
# Small, so that a graph that is allowed can be evaluated.
_LIMITS = Limits(tensor_bytes=2**20)
_LONGEST = 5.0  # s
_SEEDS = st.integers(0, 2**32 - 1)


def _examples(fast):
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=_EXAMPLES or fast, suppress_health_check=checks)


def _outcome(content, *, run=True):
    """None for a file that is refused, else its definition, whose graph then evaluates."""
    start = time.process_time()
    try:
        definition = from_bytes(content, limits=_LIMITS)
    except InputError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000
        assert time.process_time() - start < _LONGEST
        return None
    assert time.process_time() - start < _LONGEST
    # What was read is whole: it can be saved, and is the same again.
    require_same(definition.graph, from_bytes(to_bytes(definition), limits=_LIMITS).graph)
    if run:
        _require_evaluation(definition)
    return definition


def _require_evaluation(definition):
    for name in definition.signatures:
        try:
            function = definition.function(signature_name=name).graph
        except InputError:
            continue  # it does not feed what it needs: said when it is called
        shapes = [
            jax.ShapeDtypeStruct(
                tuple(
                    s.at(dict.fromkeys(s.names, 2)) if isinstance(s, Dimension) else s
                    for s in t.shape
                ),
                t.dtype,
            )
            for t in function.inputs
        ]
        try:
            found = jax.eval_shape(lambda *arrays: evaluate(function, arrays), *shapes)  # noqa: B023
        except InputError:
            assert any(isinstance(s, Dimension) for t in function.inputs for s in t.shape)
            continue  # sizes that contradict each other
        assert [x.dtype.name for x in found] == [t.dtype for t in function.outputs]


@_examples(40)
@given(st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06"]))
@example(b"", b"")
def test_random_bytes_are_refused(content, head):
    assert _outcome(head + content) is None


@_examples(80)
@given(_SEEDS)
def test_a_damaged_zip_is_refused_or_the_same(seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(len(files())))
    whole = files()[number]
    damaged = (flipped if seed % 3 else cut)(whole, rng)
    definition = _outcome(damaged, run=False)
    # A flipped bit of a date matters to nobody; nothing that is checked can have changed.
    if definition is not None and damaged[:40] == whole[:40] and damaged not in files():
        require_same(definition.graph, from_bytes(whole).graph)


@_examples(160)
@given(_SEEDS)
def test_a_changed_part_with_right_sums_is_refused_or_evaluates(seed):
    rng = np.random.default_rng(seed)
    whole = files()[rng.integers(len(files()))]
    _outcome(with_mended_sums(whole, changed_part, rng))


@pytest.mark.parametrize("number", range(6))
def test_whole_files_are_not_refused(number):
    """So that the tests above see more than refusals."""
    assert _outcome(files()[number]) is not None


@pytest.mark.parametrize("seed", range(8))
def test_a_random_graph_comes_back(seed):
    graph = random_graph(seed)
    back = from_bytes(to_bytes(GraphDef.of(graph)))
    require_same(graph, back.graph)
    if seed == 0:
        arrays = random_arrays(np.random.default_rng(seed))
        with jax.disable_jit():
            for one, other in zip(
                evaluate(graph, arrays), evaluate(back.graph, arrays), strict=True
            ):
                assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
