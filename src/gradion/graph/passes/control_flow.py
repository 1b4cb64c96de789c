"""The pass that takes the way of a conditional or a loop where it is known."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from gradion.graph.graph import Graph, Tensor, TensorType
from gradion.graph.passes.draft import spread_number
from gradion.graph.passes.report import PassResult
from gradion.graph.passes.rewriter import Replaced, Rewriter, Site, Step, is_pure, run_pass

__all__ = ["settle_control"]


def settle_control(graph: Graph) -> PassResult:
    """Put in place of conditionals and loops what is known to be run of them.

    That is the branch of a `cond` of a constant, or its only one; the body of a `scan` of one
    step; nothing for a `scan` of none and a `while` whose condition is the constant false.
    """
    return run_pass("settle control", graph, _step)


def _step(writer: Rewriter) -> Step:
    def step(site: Site) -> Replaced | None:
        if not all(map(is_pure, site.subgraphs)):
            return None
        match site.kind:
            case "cond":
                return _conditional(writer, site)
            case "while":
                return _never(site)
            case "scan":
                return _short(writer, site)
        return None

    return step


def _conditional(writer: Rewriter, site: Site) -> Replaced | None:
    which, *operands = site.inputs
    number = np.zeros((), np.int32) if len(site.subgraphs) == 1 else spread_number(which)
    if number is None:
        return None
    # As JAX does: an index out of range means the nearest branch.
    index = min(max(int(number), 0), len(site.subgraphs) - 1)
    return Replaced("branch known", writer.splice(site, site.subgraphs[index], operands))


def _never(site: Site) -> Replaced | None:
    condition, _ = site.subgraphs
    number = spread_number(condition.outputs[0])
    if number is None or bool(number):
        return None
    given = site.attributes
    return Replaced(
        "never run", site.inputs[given["n_cond_constants"] + given["n_body_constants"] :]
    )


def _short(writer: Rewriter, site: Site) -> Replaced | None:
    given = site.attributes
    n_constants, n_carries = given["n_constants"], given["n_carries"]
    scanned = site.inputs[n_constants + n_carries :]
    stacked = site.types[n_carries:]
    if given["length"] == 0 and all(t.shape and _numbers(t) for t in stacked):
        carries = site.inputs[n_constants : n_constants + n_carries]
        empty = [writer.constant(site, np.zeros(t.numbers, jnp.dtype(t.dtype))) for t in stacked]
        return Replaced("never run", [*carries, *empty])
    if given["length"] != 1:
        return None
    slices = [_regroup(writer, site, x, TensorType(x.dtype, x.shape[1:])) for x in scanned]
    before = [*site.inputs[: n_constants + n_carries], *slices]
    found = writer.splice(site, site.subgraphs[0], before)
    rows = [_regroup(writer, site, y, t) for y, t in zip(found[n_carries:], stacked, strict=True)]
    return Replaced("run once", [*found[:n_carries], *rows])


def _regroup(writer: Rewriter, site: Site, tensor: Tensor, made: TensorType) -> Tensor:
    results: Sequence[Tensor] = writer.add(
        site, "reshape", [tensor], [made], attributes={"new_sizes": made.shape}
    )
    return results[0]


def _numbers(made: TensorType) -> bool:
    return all(isinstance(n, int) for n in made.shape)
