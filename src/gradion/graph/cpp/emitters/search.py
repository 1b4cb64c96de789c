"""Table look-up in C++: bisection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradion.graph.cpp.scalar_type import cpp_type, is_float
from gradion.graph.cpp.value import Kernel

if TYPE_CHECKING:
    from gradion.graph.cpp.function import FunctionWriter

__all__ = ["write_search"]


def write_search(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write the place of each value in a sorted table; NaN comes after all numbers, as in JAX."""
    table, values = (writer.source(view) for view in kernel.operands)
    target = writer.target(kernel.results[0])
    right = kernel.operation.attributes["right"]
    indices = [f"i{axis}" for axis in range(len(values.shape))]
    with writer.loops(indices, values.shape):
        writer.line(f"const {cpp_type(values.dtype)} at = {values.at(indices)};")
        writer.line(f"int64_t low = 0, high = {table.shape[0]};")
        with writer.block("while (low < high)"):
            writer.line("const int64_t middle = low + (high - low) / 2;")
            writer.line(f"const {cpp_type(table.dtype)} node = {table.at(['middle'])};")
            less = _less("at", "node", table.dtype) if right else _less("node", "at", table.dtype)
            writer.line(f"const bool before = {f'!({less})' if right else less};")
            writer.line("low = before ? middle + 1 : low;")
            writer.line("high = before ? high : middle;")
        writer.line(f"{target.at(indices)} = static_cast<{cpp_type(target.dtype)}>(low);")


def _less(a: str, b: str, dtype: str) -> str:
    return f"{a} < {b} || ({b} != {b} && {a} == {a})" if is_float(dtype) else f"{a} < {b}"
