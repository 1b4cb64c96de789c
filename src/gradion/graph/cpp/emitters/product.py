"""Products of small arrays in C++."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradion.graph.cpp.emitters.reduction import combined, identity
from gradion.graph.cpp.scalar_type import cpp_type
from gradion.graph.cpp.value import Kernel

if TYPE_CHECKING:
    from gradion.graph.cpp.function import Element, FunctionWriter

__all__ = ["write_dot"]


def write_dot(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a contraction; its result has the batch axes, then the free ones of both factors."""
    left, right = (writer.source(view) for view in kernel.operands)
    target = writer.target(kernel.results[0])
    (left_summed, right_summed), (left_batch, right_batch) = kernel.operation.attributes[
        "dimension_numbers"
    ]
    left_names, right_names = [""] * len(left.shape), [""] * len(right.shape)
    names, sizes = [], []
    for number, (a, b) in enumerate(zip(left_batch, right_batch, strict=True)):
        left_names[a] = right_names[b] = f"b{number}"
        names.append(f"b{number}")
        sizes.append(left.shape[a])
    for number, (a, b) in enumerate(zip(left_summed, right_summed, strict=True)):
        left_names[a] = right_names[b] = f"s{number}"
    for factor, own, letter in ((left, left_names, "p"), (right, right_names, "q")):
        for axis, given in enumerate(own):
            if not given:
                own[axis] = f"{letter}{axis}"
                names.append(own[axis])
                sizes.append(factor.shape[axis])
    summed = [f"s{number}" for number in range(len(left_summed))]
    summed_sizes = [left.shape[a] for a in left_summed]
    out, dtype = target.at(names), target.dtype
    product = combined(
        writer, "mul", _cast(left, left_names, dtype), _cast(right, right_names, dtype), dtype
    )
    by_rows = bool(names) and names[-1] == right_names[-1]
    if by_rows:
        # Row upon row: the inner loop runs along a row of the right factor.
        with writer.loops(names, sizes):
            writer.line(f"{out} = {identity('add', dtype)};")
        with writer.loops([*names[:-1], *summed], [*sizes[:-1], *summed_sizes]):
            writer.line("GRADION_LOOP")
            with writer.loops(names[-1:], sizes[-1:]):
                writer.line(f"{out} = {combined(writer, 'add', out, product, dtype)};")
        return
    with writer.loops(names, sizes):
        writer.line(f"{cpp_type(dtype)} total = {identity('add', dtype)};")
        with writer.loops(summed, summed_sizes):
            writer.line(f"total = {combined(writer, 'add', 'total', product, dtype)};")
        writer.line(f"{out} = total;")


def _cast(factor: Element, indices: list[str], dtype: str) -> str:
    text = factor.at(indices)
    return text if factor.dtype == dtype else f"static_cast<{cpp_type(dtype)}>({text})"
