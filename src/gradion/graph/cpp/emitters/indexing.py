"""Gathers, scatters and slices at computed places, in C++.

The index vectors are the last axis of the indices, as JAX always has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from gradion.graph.cpp.emitters.reduction import combined
from gradion.graph.cpp.scalar_type import is_bool, is_float, is_signed, literal
from gradion.graph.cpp.value import Kernel
from gradion.graph.unsupported import UnsupportedOperationError

if TYPE_CHECKING:
    from gradion.graph.cpp.function import Element, FunctionWriter

__all__ = [
    "write_dynamic_slice",
    "write_dynamic_update_slice",
    "write_gather",
    "write_scatter",
]


def write_gather(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a gather of slices."""
    array, indices = (writer.source(view) for view in kernel.operands)
    target = writer.target(kernel.results[0])
    given = kernel.operation.attributes
    numbers, sizes = given["dimension_numbers"], given["slice_sizes"]
    names = [f"i{axis}" for axis in range(len(target.shape))]
    batch = [axis for axis in range(len(names)) if axis not in numbers["offset_dims"]]
    gone = {*numbers["collapsed_slice_dims"], *numbers["operand_batching_dims"]}
    window = [axis for axis in range(len(array.shape)) if axis not in gone]
    place = ["0"] * len(array.shape)
    for axis, name in zip(window, numbers["offset_dims"], strict=True):
        place[axis] = names[name]
    batch_names = [names[axis] for axis in batch]
    _batch_places(
        place, batch_names, numbers["operand_batching_dims"], numbers["start_indices_batching_dims"]
    )
    with writer.loops(batch_names, [target.shape[axis] for axis in batch]):
        lasts = [array.shape[axis] - sizes[axis] for axis in numbers["start_index_map"]]
        inside = _starts(writer, kernel, indices, batch_names, lasts)
        for k, axis in enumerate(numbers["start_index_map"]):
            place[axis] = f"(start_{k} + {place[axis]})" if place[axis] != "0" else f"start_{k}"
        offset_names = [names[axis] for axis in numbers["offset_dims"]]
        with writer.loops(offset_names, [target.shape[axis] for axis in numbers["offset_dims"]]):
            value = array.at(place)
            if inside:
                value = f"{inside} ? {value} : {_fill(given['fill_value'], target.dtype)}"
            writer.line(f"{target.at(names)} = {value};")


def write_scatter(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a scatter of windows, which replace what is there or are added to it."""
    array, indices, updates = (writer.source(view) for view in kernel.operands)
    target = writer.target(kernel.results[0])
    numbers = kernel.operation.attributes["dimension_numbers"]
    _copy(writer, array, target)
    if 0 in updates.shape:
        return
    names = [f"i{axis}" for axis in range(len(updates.shape))]
    batch = [axis for axis in range(len(names)) if axis not in numbers["update_window_dims"]]
    gone = {*numbers["inserted_window_dims"], *numbers["operand_batching_dims"]}
    window = [axis for axis in range(len(array.shape)) if axis not in gone]
    place, sizes = ["0"] * len(array.shape), [1] * len(array.shape)
    for axis, number in zip(window, numbers["update_window_dims"], strict=True):
        place[axis], sizes[axis] = names[number], updates.shape[number]
    batch_names = [names[axis] for axis in batch]
    _batch_places(
        place,
        batch_names,
        numbers["operand_batching_dims"],
        numbers["scatter_indices_batching_dims"],
    )
    with ExitStack() as stack:
        stack.enter_context(writer.loops(batch_names, [updates.shape[axis] for axis in batch]))
        axes = numbers["scatter_dims_to_operand_dims"]
        lasts = [array.shape[axis] - sizes[axis] for axis in axes]
        inside = _starts(writer, kernel, indices, batch_names, lasts)
        for k, axis in enumerate(axes):
            place[axis] = f"(start_{k} + {place[axis]})" if place[axis] != "0" else f"start_{k}"
        if inside:
            stack.enter_context(writer.block(f"if ({inside})"))
        window_names = [names[axis] for axis in numbers["update_window_dims"]]
        window_sizes = [updates.shape[axis] for axis in numbers["update_window_dims"]]
        stack.enter_context(writer.loops(window_names, window_sizes))
        out, value = target.at(place), updates.at(names)
        if kernel.operation.kind == "scatter_add":
            value = combined(writer, "add", out, value, target.dtype)
        writer.line(f"{out} = {value};")


def write_dynamic_slice(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a slice whose start is computed, and moved inside where it is not."""
    array = writer.source(kernel.operands[0])
    target = writer.target(kernel.results[0])
    starts = [writer.source(view).at(()) for view in kernel.operands[1:]]
    names, place = _moved(writer, starts, array.shape, target.shape)
    with writer.loops(names, target.shape):
        writer.line(f"{target.at(names)} = {array.at(place)};")


def write_dynamic_update_slice(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write an array with a slice replaced at a computed start."""
    array, update = (writer.source(view) for view in kernel.operands[:2])
    target = writer.target(kernel.results[0])
    starts = [writer.source(view).at(()) for view in kernel.operands[2:]]
    _copy(writer, array, target)
    if 0 in update.shape:
        return
    names, place = _moved(writer, starts, array.shape, update.shape)
    with writer.loops(names, update.shape):
        writer.line(f"{target.at(place)} = {update.at(names)};")


def _moved(
    writer: FunctionWriter, starts: list[str], whole: Sequence[int], part: Sequence[int]
) -> tuple[list[str], list[str]]:
    names, place = [], []
    writer.use_helpers([("inside", "int64")])
    for axis, (start, n, size) in enumerate(zip(starts, whole, part, strict=True)):
        text = f"inside_int64(static_cast<int64_t>({start}), {n - size})"
        writer.line(f"const int64_t start_{axis} = {text};")
        names.append(f"i{axis}")
        place.append(f"(start_{axis} + i{axis})")
    return names, place


def _starts(
    writer: FunctionWriter,
    kernel: Kernel,
    indices: Element,
    batch: list[str],
    lasts: list[int],
) -> str:
    """Declare the starts of a slice; the condition that it lies inside, "" if it is moved there."""
    mode = kernel.operation.attributes["mode"]
    if mode not in ("CLIP", "FILL_OR_DROP", "PROMISE_IN_BOUNDS"):
        raise UnsupportedOperationError.of(
            kernel.operation.kind, kernel.operation.source, what=f"the mode {mode}"
        )
    # A promise costs nothing to keep: a start outside is moved inside, and reads no foreign memory.
    moved = mode != "FILL_OR_DROP"
    within = _within(kernel.operands[1].value.array, lasts)
    conditions = []
    for k, last in enumerate(lasts):
        text = f"static_cast<int64_t>({indices.at([*batch, str(k)])})"
        if within:
            pass
        elif moved:
            writer.use_helpers([("inside", "int64")])
            text = f"inside_int64({text}, {last})"
        else:
            conditions.append(f"start_{k} >= 0 && start_{k} <= {last}")
        writer.line(f"const int64_t start_{k} = {text};")
    return f"({' && '.join(conditions)})" if conditions else ""


def _within(known: np.ndarray | None, lasts: list[int]) -> bool:
    """Whether indices that are part of the program all lie inside."""
    if known is None or not known.size or not lasts:
        return False
    return bool(known.min() >= 0 and known.max() <= min(lasts))


def _batch_places(
    place: list[str], batch: list[str], operand_axes: list[int], index_axes: list[int]
) -> None:
    for axis, index_axis in zip(operand_axes, index_axes, strict=True):
        place[axis] = batch[index_axis]


def _copy(writer: FunctionWriter, array: Element, target: Element) -> None:
    names = [f"i{axis}" for axis in range(len(target.shape))]
    with writer.loops(names, target.shape):
        writer.line(f"{target.at(names)} = {array.at(names)};")


def _fill(value: Any, dtype: str) -> str:
    """The fill of a gather; by default NaN, or what an integer holds farthest from use."""
    if value is not None:
        return literal(value, dtype)
    if is_float(dtype):
        return literal(np.nan, dtype)
    if is_bool(dtype):
        return literal(True, dtype)
    info = np.iinfo(np.dtype(dtype))
    return literal(info.min if is_signed(dtype) else info.max, dtype)
