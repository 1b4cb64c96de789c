"""What a call of a Module adds to a call of its `forward`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
from harness.peers import installed
from harness.rounds import compare, table

import gradion

__all__ = ["report"]

REPEATS = 1000


class Same(gradion.Module):
    """Returns its argument: all time is the call's."""

    def forward(self, x: Any) -> Any:
        return x


def _nothing(_module: Any, _args: Any, _out: Any) -> None:
    """A hook."""


def _nothing_before(_module: Any, _args: Any) -> None:
    """A hook before."""


def _many(call: Callable[[Any], Any]) -> Callable[[], None]:
    """`REPEATS` calls in a loop of their own, whose cost cancels in differences."""
    x = object()

    def run() -> None:
        for _ in range(REPEATS):
            call(x)

    return run


def _torch_calls() -> dict[str, Callable[[Any], Any]]:
    import torch

    class TorchSame(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    plain, hooked = TorchSame(), TorchSame()
    hooked.register_forward_hook(_nothing)
    return {
        "torch.nn.Module, forward": plain.forward,
        "torch.nn.Module": plain,
        "torch.nn.Module, one forward hook": hooked,
    }


def _nnx_calls() -> dict[str, Callable[[Any], Any]]:
    from flax import nnx

    class NnxSame(nnx.Module):
        def __call__(self, x: Any) -> Any:
            return x

    return {"flax nnx.Module (has no hooks)": NnxSame()}


class EqxSame(eqx.Module):
    """As `Same`."""

    def __call__(self, x: Any) -> Any:
        return x


def report() -> None:
    """Print the time of a call, and what it is above the time of `forward`."""
    plain, hooked, pre_hooked = Same(), Same(), Same()
    hooked.register_forward_hook(_nothing)
    pre_hooked.register_forward_pre_hook(_nothing_before)
    calls: dict[str, Callable[[Any], Any]] = {
        "gradion.Module, forward": plain.forward,
        "gradion.Module": plain,
        "gradion.Module, one forward hook": hooked,
        "gradion.Module, one forward-pre hook": pre_hooked,
        "equinox.Module (has no hooks)": EqxSame(),
    }
    if "flax" in installed():
        calls |= _nnx_calls()
    if "torch" in installed():
        calls |= _torch_calls()
    times = compare({name: _many(call) for name, call in calls.items()}, rounds=21, calls=20)
    print("Call of a Module whose forward returns its argument; 21 rounds of 20,000 calls.")
    print()
    rows = []
    for name, t in times.items():
        forward = "torch.nn.Module, forward" if "torch" in name else "gradion.Module, forward"
        median, least, wall, above = (
            f"{us / REPEATS:.2f}"
            for us in (t.median_cpu, t.least_cpu, t.median_wall, t.excess(times[forward]))
        )
        rows.append([name, f"{median} ({least})", wall, above])
    table(["call", "CPU [us], median (least)", "wall [us]", "above forward, CPU [us]"], rows)
