"""Large trees of Modules: a compiled step of 1,000, and how costs grow with their number."""

from __future__ import annotations

import copy
import functools
import gc
import statistics
import sys
import time
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

N = 1000
COUNTS = (250, 500, 1000, 2000, 4000)
DEPTH = 500
REPEATS = 7

Task = Callable[[], Any]
Arrays = Iterator[Array]


def scalars(count: int) -> list[Array]:
    """Arrays for `count` Modules, two for each: making them costs more than making the Modules."""
    return [jnp.float32(1 - i % 2) + 0 for i in range(2 * count)]


class Leaf(gradion.Module):
    """One Parameter, one buffer."""

    w: Array
    b: Array

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        self.w = gradion.Parameter(next(arrays))
        self.register_buffer("b", next(arrays))


class Tree(gradion.Module):
    """`children` children of each Module down to `depth` levels of Leaves."""

    def __init__(self, arrays: Arrays, children: int, depth: int = 1) -> None:
        super().__init__()
        for i in range(children):
            child = Leaf(arrays) if depth == 1 else Tree(arrays, children, depth - 1)
            self.register_module(f"c{i}", child)


class Link(gradion.Module):
    """A chain: each Module with one Parameter, one buffer and the next Module."""

    def __init__(self, arrays: Arrays, rest: gradion.Module | None) -> None:
        super().__init__()
        self.w = gradion.Parameter(next(arrays))
        self.register_buffer("b", next(arrays))
        self.register_module("rest", rest)


def chain(arrays: Arrays, length: int) -> gradion.Module:
    """A chain of Modules, put together from its end."""
    last: gradion.Module | None = None
    for _ in range(length):
        last = Link(arrays, last)
    if last is None:
        raise ValueError("a chain has at least one Module")
    return last


# -- a compiled step -----------------------------------------------------------------------------


def _bare_step() -> Task:
    @functools.partial(jax.jit, donate_argnums=0)
    def step(w: list[Array], b: list[Array], x: Array) -> tuple[list[Array], Array]:
        new = [w_i * x + b_i for w_i, b_i in zip(w, b, strict=True)]
        return new, new[-1]

    arrays = scalars(N)
    w, b, x = arrays[::2], arrays[1::2], jnp.float32(1.0)

    def one() -> Array:
        nonlocal w
        w, out = step(w, b, x)
        return out.block_until_ready()

    return one


def _our_step(tree: Tree) -> Task:
    @gradion.jit
    def step(tree: Tree, x: Array) -> Array:
        new = x
        for module in tree.modules():
            if isinstance(module, Leaf):
                new = module.w * x + module.b
                module.get_parameter("w").value = new
        return new

    x = jnp.float32(1.0)
    return lambda: step(tree, x).block_until_ready()


def _equinox_step() -> Task:
    class EqxLeaf(eqx.Module):
        w: Array
        b: Array

    @eqx.filter_jit(donate="all-except-first")
    def step(x: Array, tree: list[EqxLeaf]) -> tuple[list[EqxLeaf], Array]:
        new = [EqxLeaf(leaf.w * x + leaf.b, leaf.b) for leaf in tree]
        return new, new[-1].w

    arrays, x = iter(scalars(N)), jnp.float32(1.0)
    tree = [EqxLeaf(next(arrays), next(arrays)) for _ in range(N)]

    def one() -> Array:
        nonlocal tree
        tree, out = step(x, tree)
        return out.block_until_ready()

    return one


def _nnx_step(*, cached: bool) -> Task:
    from flax import nnx

    class NnxLeaf(nnx.Module):
        def __init__(self) -> None:
            self.w = nnx.Param(jnp.ones((), jnp.float32))
            self.b = nnx.BatchStat(jnp.zeros((), jnp.float32))

    class NnxTree(nnx.Module):
        def __init__(self) -> None:
            for i in range(N):
                setattr(self, f"c{i}", NnxLeaf())

    @nnx.jit
    def step(tree: NnxTree, x: Array) -> Array:
        new = x
        for i in range(N):
            leaf = getattr(tree, f"c{i}")
            new = leaf.w[...] * x + leaf.b[...]
            leaf.w.set_value(new)
        return new

    tree, x = NnxTree(), jnp.float32(1.0)
    if cached:
        known = nnx.cached_partial(step, tree)
        return lambda: known(x).block_until_ready()
    return lambda: step(tree, x).block_until_ready()


def report_step() -> None:
    """Print what a compiled step over 1,000 Modules costs above one over lists of arrays."""
    # First of all, as a program makes its model: between what other work has left in memory the
    # Modules would lie scattered, and each step would wait for them.
    flat, nested = Tree(iter(scalars(N)), N), Tree(iter(scalars(N)), 10, depth=3)
    steps = {
        "bare jax.jit, donated, lists of arrays": _bare_step(),
        "the same again": _bare_step(),
        "gradion.jit, flat": _our_step(flat),
        "gradion.jit, 10 x 10 x 10": _our_step(nested),
        "equinox filter_jit, donated, flat": _equinox_step(),
    }
    if "flax" in installed():
        steps["nnx.jit, flat"] = _nnx_step(cached=False)
        steps["nnx.cached_partial, flat"] = _nnx_step(cached=True)
    times = compare(steps, rounds=15, calls=100)
    print(f"Step over {N} Modules, each a Parameter (written) and a buffer (read), all scalars;")
    print("15 rounds of 100 steps, of fewer where they are slow.")
    print()
    reference = times["bare jax.jit, donated, lists of arrays"]
    table(
        ["step", "CPU [ms], median (least)", "wall [ms]", "above bare, CPU [ms]"],
        [
            [
                name,
                f"{1e-3 * t.median_cpu:.2f} ({1e-3 * t.least_cpu:.2f})",
                f"{1e-3 * t.median_wall:.2f}",
                f"{1e-3 * t.excess(reference):.2f}",
            ]
            for name, t in times.items()
        ],
    )


# -- growth --------------------------------------------------------------------------------------


def _tasks(build: Callable[[], gradion.Module]) -> dict[str, Task]:
    """What is done with a tree; some change it, so each has one of its own."""
    tree, replanned = build(), build()
    state = tree.state_dict()

    def first_plan() -> None:
        replanned.register_buffer("b_of_root", None)  # a change of structure
        jax.tree.leaves(replanned)

    leaves, form = jax.tree.flatten(tree)
    return {
        "construction": build,
        "list(named_parameters())": lambda: list(tree.named_parameters()),
        "state_dict()": tree.state_dict,
        "load_state_dict()": lambda: tree.load_state_dict(state),
        "set_parameters()": lambda: tree.set_parameters(tree.parameter_values()),
        "flatten": lambda: jax.tree.leaves(tree),
        "unflatten": lambda: jax.tree.unflatten(form, leaves),
        "flatten after a change of structure": first_plan,
        "train()": tree.train,
        "repr()": lambda: repr(tree),
        "describe()": tree.describe,
        "copy.deepcopy()": lambda: copy.deepcopy(tree),
    }


def _median_us(task: Task) -> float:
    """Median CPU time [us] of a task, garbage of others collected before."""
    task()
    spent = []
    for _ in range(REPEATS):
        gc.collect()
        start = time.process_time()
        task()
        spent.append(1e6 * (time.process_time() - start))
    return statistics.median(spent)


def report_growth() -> None:
    """Print the time of each task for each Module of the tree, at all sizes."""
    costs: dict[str, list[str]] = {}
    slopes: dict[str, float] = {}
    for count in COUNTS:
        arrays = scalars(count)
        for name, task in _tasks(
            lambda count=count, arrays=arrays: Tree(iter(arrays), count)
        ).items():
            spent = _median_us(task) / count
            costs.setdefault(name, []).append(f"{spent:.2f}")
            slopes[name] = spent if count == COUNTS[0] else slopes[name]
            if count == COUNTS[-1]:
                costs[name].append(f"{spent / slopes[name]:.2f}")
    print(f"CPU time [us] for each Module of a flat tree; medians of {REPEATS}.")
    print(f"Growth: the last over the first; quadratic cost would give {COUNTS[-1] // COUNTS[0]}.")
    print()
    table(
        ["task", *(f"{count}" for count in COUNTS), "growth"],
        [[name, *cells] for name, cells in costs.items()],
    )


def report_chain() -> None:
    """Print the same for a chain."""
    lengths = (DEPTH // 4, DEPTH)
    rows: dict[str, list[str]] = {}
    for length in lengths:
        arrays = scalars(length)
        for name, task in _tasks(
            lambda length=length, arrays=arrays: chain(iter(arrays), length)
        ).items():
            try:
                cell = f"{_median_us(task) / length:.2f}"
            except RecursionError:
                cell = "RecursionError"
            rows.setdefault(name, []).append(cell)
    print("CPU time [us] for each Module of a chain, where each is the child of the one before;")
    print(f"Python's limit on recursion is {sys.getrecursionlimit()}.")
    print()
    head = ["task", *(f"{length} deep" for length in lengths)]
    table(head, [[name, *cells] for name, cells in rows.items()])


def report() -> None:
    """Print all tables."""
    report_step()
    print()
    report_growth()
    print()
    report_chain()
