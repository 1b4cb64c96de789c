"""Reductions in C++: sums, extrema, their positions, running ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradion.graph.cpp.expressions import expression
from gradion.graph.cpp.scalar_type import cpp_type, is_bool, is_float, literal
from gradion.graph.cpp.value import Kernel

if TYPE_CHECKING:
    from gradion.graph.cpp.function import FunctionWriter

__all__ = ["combined", "identity", "write_position", "write_reduction", "write_running"]

# The elementwise operation that a reduction repeats.
_STEP: Final = {
    "reduce_sum": "add",
    "reduce_prod": "mul",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_and": "and",
    "reduce_or": "or",
    "cumsum": "add",
    "cumprod": "mul",
    "cummax": "max",
    "cummin": "min",
}


def _lowest(dtype: str) -> Any:
    if is_bool(dtype):
        return False
    return -np.inf if is_float(dtype) else np.iinfo(np.dtype(dtype)).min


def _highest(dtype: str) -> Any:
    if is_bool(dtype):
        return True
    return np.inf if is_float(dtype) else np.iinfo(np.dtype(dtype)).max


# What changes nothing when it is combined with an element.
_IDENTITY: Final[dict[str, Callable[[str], Any]]] = {
    "add": lambda _: 0,
    "mul": lambda _: 1,
    "max": _lowest,
    "min": _highest,
    "or": lambda _: 0,
    "and": lambda dtype: True if is_bool(dtype) else ~np.zeros((), dtype),
}


def identity(step: str, dtype: str) -> str:
    """The literal that changes nothing when it is combined by a step."""
    return literal(_IDENTITY[step](dtype), dtype)


def combined(writer: FunctionWriter, step: str, a: str, b: str, dtype: str) -> str:
    """The expression of two elements combined by an elementwise operation."""
    made = expression(step, (a, b), (dtype, dtype), dtype, {})
    writer.use_helpers(made.helpers)
    return made.text


def write_reduction(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a reduction over some axes."""
    source, target = writer.source(kernel.operands[0]), writer.target(kernel.results[0])
    step, dtype = _STEP[kernel.operation.kind], target.dtype
    axes = set(kernel.operation.attributes["axes"])
    indices = [f"i{axis}" for axis in range(len(source.shape))]
    kept = [axis for axis in range(len(indices)) if axis not in axes]
    reduced = [axis for axis in range(len(indices)) if axis in axes]
    out = target.at([indices[axis] for axis in kept])
    start = identity(step, dtype)
    if kept and reduced and kept[-1] == len(indices) - 1:
        # Row upon row: neighbouring elements stay neighbours, and become vector instructions.
        with writer.loops([indices[a] for a in kept], [source.shape[a] for a in kept]):
            writer.line(f"{out} = {start};")
        order = [*reduced, *kept]
        with writer.loops([indices[a] for a in order[:-1]], [source.shape[a] for a in order[:-1]]):
            writer.line("GRADION_LOOP")
            with writer.loops([indices[order[-1]]], [source.shape[order[-1]]]):
                text = combined(writer, step, out, source.at(indices), dtype)
                writer.line(f"{out} = {text};")
        return
    with writer.loops([indices[a] for a in kept], [source.shape[a] for a in kept]):
        writer.line(f"{cpp_type(dtype)} total = {start};")
        with writer.loops([indices[a] for a in reduced], [source.shape[a] for a in reduced]):
            text = combined(writer, step, "total", source.at(indices), dtype)
            writer.line(f"total = {text};")
        writer.line(f"{out} = total;")


def write_position(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write argmax or argmin along one axis: the first extremum, the first NaN before all else."""
    source, target = writer.source(kernel.operands[0]), writer.target(kernel.results[0])
    (axis,) = kernel.operation.attributes["axes"]
    indices = [f"i{a}" for a in range(len(source.shape))]
    kept = [a for a in range(len(indices)) if a != axis]
    symbol = ">" if kernel.operation.kind == "argmax" else "<"
    t, index_type = cpp_type(source.dtype), cpp_type(target.dtype)
    with writer.loops([indices[a] for a in kept], [source.shape[a] for a in kept]):
        first = [*indices]
        first[axis] = "0"
        writer.line(f"{t} best = {source.at(first)};")
        writer.line("int64_t at = 0;")
        with writer.loops([indices[axis]], [source.shape[axis]]):
            writer.line(f"const {t} here = {source.at(indices)};")
            nan = " || (here != here && best == best)" if is_float(source.dtype) else ""
            with writer.block(f"if (here {symbol} best{nan})"):
                writer.line("best = here;")
                writer.line(f"at = {indices[axis]};")
        out = target.at([indices[a] for a in kept])
        writer.line(f"{out} = static_cast<{index_type}>(at);")


def write_running(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a running reduction along one axis, from either end."""
    source, target = writer.source(kernel.operands[0]), writer.target(kernel.results[0])
    axis = kernel.operation.attributes["axis"]
    step, dtype = _STEP[kernel.operation.kind], target.dtype
    indices = [f"i{a}" for a in range(len(source.shape))]
    kept = [a for a in range(len(indices)) if a != axis]
    with writer.loops([indices[a] for a in kept], [source.shape[a] for a in kept]):
        writer.line(f"{cpp_type(dtype)} total = {identity(step, dtype)};")
        with writer.loops(["step"], [source.shape[axis]]):
            backwards = kernel.operation.attributes["reverse"]
            indices[axis] = f"({source.shape[axis] - 1} - step)" if backwards else "step"
            text = combined(writer, step, "total", source.at(indices), dtype)
            writer.line(f"total = {text};")
            writer.line(f"{target.at(indices)} = total;")
