"""The pass that computes what is known before the run."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any, Final

import jax
import numpy as np

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.operators import KINDS
from gradion.graph.passes.report import PassResult
from gradion.graph.passes.rewriter import (
    Replaced,
    Rewriter,
    Site,
    Step,
    has_unknown_sizes,
    run_pass,
)

__all__ = ["fold_constants"]

# A result is written down if it is no larger than this, or than the constants that it replaces:
# a graph, and the file that it is saved in, do not blow up.
_SMALL: Final = 1024  # [bytes]
# What is computed on the way to it, and not kept.
_LARGEST_PART: Final = 2**20  # [bytes]
# Shorter than what they make, and read for nothing where they are used: they stay, unless what
# uses them is folded.
_GENERATORS: Final = frozenset({"broadcast_in_dim", "iota"})
# Native code may not be built yet, and has no business here.
_NEVER: Final = frozenset({"native_call"})


def fold_constants(graph: Graph) -> PassResult:
    """Replace operations on constants by their results.

    They are computed as `evaluate` computes them, by JAX on this machine's processor, so that the
    bits are those of the operation run by itself. Operations with subgraphs stay: how long a loop
    takes does not follow from its sizes. So do results larger than 1 KiB and than the constants
    that they use up.
    """
    # A constant has one user less where another result is folded, which makes room for the other.
    return run_pass("fold constants", graph, _step, to_the_end=True)


def _step(writer: Rewriter) -> Step:
    uses = Counter(t for o in writer.old for t in {*o.inputs})
    uses.update({*writer.old.outputs})
    parts: dict[Tensor, np.ndarray | None] = {}

    def value(tensor: Tensor) -> np.ndarray | None:
        operation = tensor.operation
        if operation.kind == "constant":
            return operation.value
        if operation.kind not in _GENERATORS or has_unknown_sizes(operation):
            return None
        if tensor not in parts:
            small = _n_bytes(tensor) <= _LARGEST_PART
            given = [value(t) for t in operation.inputs] if small else [None]
            known = [x for x in given if x is not None]
            parts[tensor] = _evaluated(operation, known)[0] if len(known) == len(given) else None
        return parts[tensor]

    def step(site: Site) -> Replaced | None:
        operation = site.operation
        if site.kind not in KINDS or site.kind in _GENERATORS | _NEVER or site.subgraphs:
            return None
        if has_unknown_sizes(operation):
            return None
        used_up = {
            old: _n_bytes(new)
            for old, new in zip(operation.inputs, site.inputs, strict=True)
            if uses[old] == 1 and new.operation.kind == "constant"
        }
        if sum(map(_n_bytes, operation.outputs)) > max(_SMALL, sum(used_up.values())):
            return None
        known = [x for x in map(value, site.inputs) if x is not None]
        if len(known) < len(site.inputs):
            return None
        found = _evaluated(operation, known)
        return Replaced(
            "folded", [writer.constant(site, x, in_place=not i) for i, x in enumerate(found)]
        )

    return step


def _evaluated(operation: Operation, inputs: list[np.ndarray]) -> list[np.ndarray]:
    here: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if jax.default_backend() != "cpu":
        here = jax.default_device(jax.devices("cpu")[0])
    # Also where a function that runs this pass is being traced by JAX.
    with jax.ensure_compile_time_eval(), here:
        return [np.asarray(x) for x in KINDS[operation.kind].evaluate(operation, inputs)]


def _n_bytes(tensor: Tensor) -> int:
    return tensor.type.size * jax.numpy.dtype(tensor.dtype).itemsize
