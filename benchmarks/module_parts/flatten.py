"""Flattening and rebuilding a tree of 50 Parameters in 15 Modules, as each bare transform does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from harness.peers import installed
from harness.rounds import compare, table
from jax import Array

import gradion

__all__ = ["report"]

# Parameters of the root and of its 14 children: 50 in 15 Modules.
COUNTS = (1, *[4] * 7, *[3] * 7)


class Node(gradion.Module):
    """A Module with scalar Parameters and children."""

    def __init__(self, counts: Iterator[int], n_children: int = 0) -> None:
        super().__init__()
        for i in range(next(counts)):
            self.register_parameter(f"p{i}", gradion.Parameter(1.0, dtype=jnp.float32))
        for i in range(n_children):
            self.register_module(f"child_{i}", Node(counts))


class EqxNode(eqx.Module):
    """The same for equinox."""

    parameters: dict[str, Array]
    children: dict[str, EqxNode]


def _eqx_node(counts: Iterator[int], n_children: int = 0) -> EqxNode:
    own = {f"p{i}": jnp.float32(1.0) for i in range(next(counts))}
    return EqxNode(own, {f"child_{i}": _eqx_node(counts) for i in range(n_children)})


def _nnx(counts: Iterator[int]) -> dict[str, Callable[[], Any]]:
    from flax import nnx

    class NnxNode(nnx.Module):
        def __init__(self, n_children: int = 0) -> None:
            for i in range(next(counts)):
                setattr(self, f"p{i}", nnx.Param(jnp.float32(1.0)))
            for i in range(n_children):
                setattr(self, f"child_{i}", NnxNode())

    tree = NnxNode(len(COUNTS) - 1)
    graph, state = nnx.split(tree)
    return {
        "flax nnx, split": lambda: nnx.split(tree),
        "flax nnx, merge": lambda: nnx.merge(graph, state),
    }


def report() -> None:
    """Print the times."""
    tree = Node(iter(COUNTS), len(COUNTS) - 1)
    eqx_tree = _eqx_node(iter(COUNTS), len(COUNTS) - 1)
    plain = {f"p{i}": jnp.float32(1.0) for i in range(sum(COUNTS))}
    tasks: dict[str, Callable[[], Any]] = {}
    for name, value in (("dict of arrays", plain), ("gradion", tree), ("equinox", eqx_tree)):
        leaves, form = jax.tree.flatten(value)
        if len(leaves) != sum(COUNTS):
            raise RuntimeError(f"{name}: {len(leaves)} leaves")
        tasks[f"{name}, flatten"] = lambda value=value: jax.tree.flatten(value)
        tasks[f"{name}, unflatten"] = lambda form=form, leaves=leaves: jax.tree.unflatten(
            form, leaves
        )
    if "flax" in installed():
        tasks |= _nnx(iter(COUNTS))
    times = compare(tasks, rounds=21, calls=200)
    print("A tree of 50 Parameters in 15 Modules; 21 rounds of 200.")
    print()
    table(
        ["task", "CPU [us], median (least)", "wall [us]"],
        [
            [name, f"{t.median_cpu:.1f} ({t.least_cpu:.1f})", f"{t.median_wall:.1f}"]
            for name, t in times.items()
        ],
    )
