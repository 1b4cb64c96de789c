"""One step of the cell, batch 16, 32 features, state 128, float32: value, and value + gradient.

The gradient is that of sum(new_h) + sum(new_cell) by weight, bias, x, old_h and old_cell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from harness.peers import installed
from harness.rounds import compare, table

import gradion
from gradion import nn

__all__ = ["report"]

BATCH, FEATURES, STATE = 16, 32, 128
BENCHMARKS = Path(__file__).resolve().parent.parent
# Sums of up to 384 products in float32, in another order; relative to the largest number.
SAME = 1e-5

Numbers = list[np.ndarray]


class Row:
    """A competitor: what is timed, and the numbers that it gives."""

    def __init__(self, forward: Callable[[], Any], both: Callable[[], Any], to_numpy: Any) -> None:
        self.forward = forward
        self.both = both
        self.to_numpy = to_numpy

    def numbers(self) -> Numbers:
        """New h and new cell, then the five gradients."""
        return [self.to_numpy(x) for x in (*self.forward(), *self.both())]


def problem() -> Numbers:
    """weight, bias, x, old_h, old_cell."""
    rng = np.random.default_rng(0)
    bound = 1 / np.sqrt(STATE)
    arrays = (
        rng.uniform(-bound, bound, (3 * STATE, STATE + FEATURES)),
        rng.uniform(-bound, bound, 3 * STATE),
        rng.normal(size=(BATCH, FEATURES)),
        rng.normal(size=(BATCH, STATE)),
        rng.normal(size=(BATCH, STATE)),
    )
    return [x.astype(np.float32) for x in arrays]


def finished(arrays: Any) -> Any:
    """The results of one program are all there when one is."""
    arrays[-1].block_until_ready()
    return arrays


# -- JAX and gradion -----------------------------------------------------------------------------


def by_function(cell: Callable[..., Any], given: Numbers) -> Row:
    """A pure function under jax.jit."""

    def loss(*inputs: Any) -> Any:
        new_h, new_cell = cell(*inputs)
        return new_h.sum() + new_cell.sum()

    inputs = [jnp.array(x) for x in given]
    forward = jax.jit(cell)
    both = jax.jit(jax.value_and_grad(loss, argnums=range(5)))
    return Row(lambda: finished(forward(*inputs)), lambda: finished(both(*inputs)[1]), np.asarray)


def by_module(kind: Any, given: Numbers) -> Row:
    """A Module under gradion.jit."""
    layer = kind(FEATURES, STATE, key=jax.random.key(0))
    layer.load_state_dict({"weight": given[0], "bias": given[1]})
    x, h, cell = (jnp.array(x) for x in given[2:])

    def loss(layer: Any, *inputs: Any) -> Any:
        new_h, new_cell = layer(inputs[0], inputs[1:])
        return new_h.sum() + new_cell.sum()

    forward = gradion.jit(lambda layer, x, h, cell: layer(x, (h, cell)))
    gradient = gradion.jit(gradion.value_and_grad(loss, argnums=(0, 1, 2, 3)))

    def both() -> Any:
        _, (of_layer, *others) = gradient(layer, x, h, cell)
        return finished([of_layer["weight"], of_layer["bias"], *others])

    return Row(lambda: finished(forward(layer, x, h, cell)), both, np.asarray)


# -- torch ---------------------------------------------------------------------------------------


def by_torch(cell: Callable[..., Any], given: Numbers) -> Row:
    """A function of torch, eager, as torch's users call it."""
    import torch

    inputs = [torch.tensor(x, requires_grad=True) for x in given]

    def forward() -> Any:
        with torch.no_grad():
            return cell(*inputs)

    def both() -> Any:
        new_h, new_cell = cell(*inputs)
        return torch.autograd.grad(new_h.sum() + new_cell.sum(), inputs)

    return Row(forward, both, lambda x: x.numpy())


def python_cell(weight: Any, bias: Any, x: Any, old_h: Any, old_cell: Any) -> Any:
    """The cell in torch's Python."""
    import torch
    from torch.nn import functional

    gates = functional.linear(torch.cat([old_h, x], 1), weight, bias).chunk(3, 1)
    new_cell = old_cell + functional.elu(gates[2]) * torch.sigmoid(gates[0])
    return torch.tanh(new_cell) * torch.sigmoid(gates[1]), new_cell


def cpp_cell() -> Callable[..., Any]:
    """The cell of lltm_torch/lltm.cpp, as an autograd function."""
    import torch
    from torch.utils import cpp_extension

    native = cpp_extension.load(
        "lltm_calling",
        [str(BENCHMARKS / "lltm_torch" / "lltm.cpp")],
        extra_cflags=["-O3", "-march=native"],
    )

    class Cell(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, weight: Any, *others: Any) -> Any:
            new_h, new_cell, *saved = native.forward(weight, *others)
            ctx.save_for_backward(weight, *saved)
            return new_h, new_cell

        @staticmethod
        def backward(ctx: Any, h_bar: Any, cell_bar: Any) -> Any:
            return tuple(native.backward(h_bar, cell_bar, *ctx.saved_tensors))

    return Cell.apply


# -- the table -----------------------------------------------------------------------------------


def competitors(given: Numbers) -> dict[str, Row]:
    """All that are installed."""
    sys.path.insert(0, str(BENCHMARKS.parent / "examples" / "lltm"))
    import lltm

    rows = {}
    if "torch" in installed():
        import torch

        torch.set_num_threads(1)
        rows["torch, Python"] = by_torch(python_cell, given)
        rows["torch, C++"] = by_torch(cpp_cell(), given)
    return rows | {
        "jax.jit": by_function(nn.lltm_cell, given),
        "gradion: nn.LLTM, gradion.jit": by_module(nn.LLTM, given),
        "gradion C++: operator, jax.jit": by_function(lltm.lltm_cell, given),
        "gradion C++: Module, gradion.jit": by_module(lltm.LLTM, given),
    }


def check(rows: dict[str, Row]) -> None:
    """All give the same numbers. Raises AssertionError."""
    expected = rows["jax.jit"].numbers()
    for name, each in rows.items():
        for k, (got, wanted) in enumerate(zip(each.numbers(), expected, strict=True)):
            difference = np.abs(got - wanted).max() / np.abs(wanted).max()
            assert difference < SAME, f"{name}: array {k} differs by {difference:.1e}"


def report() -> None:
    """Print the table."""
    rows = competitors(problem())
    check(rows)
    calls = {(name, kind): getattr(row, kind) for name, row in rows.items() for kind in KINDS}
    times = compare({f"{name}|{kind}": call for (name, kind), call in calls.items()})
    print(f"LLTM, batch {BATCH}, {FEATURES} features, state {STATE}, float32, one thread:")
    print("CPU time of a call [us], median (least); the same numbers were checked first")
    print()
    found = []
    for name in rows:
        cells = []
        for kind in KINDS:
            time = times[f"{name}|{kind}"]
            cells.append(f"{time.median_cpu:.1f} ({time.least_cpu:.1f})")
        for kind in KINDS:
            cells.append(f"{times[f'{name}|{kind}'].ratio(times[f'{OURS}|{kind}']):.2f}")
        found.append([name, *cells])
    table(["", "forward", "forward + backward", f"ratio to {OURS}, forward", "both"], found)


KINDS = ("forward", "both")
OURS = "gradion C++: operator, jax.jit"
