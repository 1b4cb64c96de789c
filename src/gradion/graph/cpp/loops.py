"""The code of a group of elementwise values: one loop, or straight lines for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from gradion.graph.cpp.expressions import expression
from gradion.graph.cpp.grouping import Group, is_local
from gradion.graph.cpp.layout import significant
from gradion.graph.cpp.scalar_type import cpp_type
from gradion.graph.cpp.value import Value, View
from gradion.graph.cpp.writer import LOOP_NAMES, element

if TYPE_CHECKING:
    from gradion.graph.cpp.function import FunctionWriter

__all__ = ["write_loop"]


@final
@dataclass(eq=False)
class _Access:
    """An element in memory as the loop meets it: pointer, offset, a stride for each loop axis."""

    pointer: str
    dtype: str
    offset: int
    strides: tuple[int, ...]
    name: str = ""


@final
@dataclass(eq=False)
class _Body:
    """What a loop reads, computes and writes."""

    loads: dict[tuple, _Access] = field(default_factory=dict)
    # A line's value, and its operands: texts, or accesses whose names are given later.
    steps: list[tuple[Value, list[str | _Access]]] = field(default_factory=list)
    stores: dict[Value, _Access] = field(default_factory=dict)


def write_loop(writer: FunctionWriter, group: Group) -> None:
    """Write the code of an elementwise group."""
    if 0 in group.loop:
        return
    body = _body(writer, group)
    accesses = [*body.loads.values(), *body.stores.values()]
    sizes, strides = _merged(group.loop, [a.strides for a in accesses])
    for access, merged in zip(accesses, strides, strict=True):
        access.strides = merged
    for access in body.loads.values():
        access.name = writer.names.unique(f"{access.pointer}_at")
    indices = (
        LOOP_NAMES[: len(sizes)]
        if len(sizes) <= len(LOOP_NAMES)
        else [f"i{k}" for k in range(len(sizes))]
    )
    if not sizes:
        _write_steps(writer, body, indices)
        return
    with writer.block():
        # What does not move with the loop is read before it.
        for access in body.loads.values():
            if not any(access.strides):
                _write_load(writer, access, indices)
        with writer.loops(indices[:-1], sizes[:-1]):
            writer.line("GRADION_LOOP")
            with writer.loops(indices[-1:], sizes[-1:]):
                _write_steps(writer, body, indices, skip_still=True)


def _body(writer: FunctionWriter, group: Group) -> _Body:
    body = _Body()
    for value in group.values:
        operands: list[str | _Access] = []
        for view in value.operands:
            if view.value.is_scalar:
                operands.append(writer.scalar(view.value))
            elif is_local(view, value) and view.value.group == group.index:
                operands.append(view.value.name)
            else:
                operands.append(_load(writer, body, view, value.type.numbers))
        body.steps.append((value, operands))
        if value.stored:
            place = writer.plan.places[value]
            strides = _significant_strides(value.type.numbers, place.layout.strides)
            pointer = writer.pointer(place.buffer)
            body.stores[value] = _Access(pointer, value.type.dtype, place.layout.offset, strides)
    return body


def _load(writer: FunctionWriter, body: _Body, view: View, shape: tuple[int, ...]) -> _Access:
    place = writer.plan.place(view)
    strides = place.layout.strides
    if not view.shape:
        moving: tuple[int, ...] = (0,) * len(significant(shape))  # a number for all elements
    else:
        moving = _significant_strides(shape, strides)
    key = (place.buffer, place.layout.offset, moving)
    if key not in body.loads:
        pointer = writer.pointer(place.buffer)
        body.loads[key] = _Access(pointer, place.buffer.dtype, place.layout.offset, moving)
    return body.loads[key]


def _significant_strides(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    return tuple(s for n, s in zip(shape, strides, strict=True) if n != 1)


def _merged(
    shape: tuple[int, ...], strides: list[tuple[int, ...]]
) -> tuple[list[int], list[tuple[int, ...]]]:
    """The fewest loops: neighbouring axes that every access steps through as through one."""
    sizes: list[int] = []
    columns: list[list[int]] = []  # a list an axis, with the stride of each access
    for axis, n in enumerate(shape):
        column = [s[axis] for s in strides]
        if sizes and all(
            outer == n * inner for outer, inner in zip(columns[-1], column, strict=True)
        ):
            sizes[-1] *= n
            columns[-1] = column
        else:
            sizes.append(n)
            columns.append(column)
    return sizes, [tuple(c[i] for c in columns) for i in range(len(strides))]


def _write_load(writer: FunctionWriter, access: _Access, indices: Sequence[str]) -> None:
    text = element(access.pointer, access.offset, access.strides, indices)
    writer.line(f"const {cpp_type(access.dtype)} {access.name} = {text};")


def _write_steps(
    writer: FunctionWriter, body: _Body, indices: Sequence[str], *, skip_still: bool = False
) -> None:
    written: set[str] = set()
    for value, operands in body.steps:
        for access in operands:
            if isinstance(access, _Access) and access.name not in written:
                written.add(access.name)
                if not skip_still or any(access.strides):
                    _write_load(writer, access, indices)
        names = [a.name if isinstance(a, _Access) else a for a in operands]
        writer.comment(value.operation)
        writer.line(
            f"const {cpp_type(value.type.dtype)} {value.name} = {_text(writer, value, names)};"
        )
        if value in body.stores:
            store = body.stores[value]
            target = element(store.pointer, store.offset, store.strides, indices)
            writer.line(f"{target} = {value.name};")


def _text(writer: FunctionWriter, value: Value, names: list[str]) -> str:
    dtypes = [view.value.type.dtype for view in value.operands]
    operation = value.operation
    kind, attributes = ("copy", {}) if operation is None else (operation.kind, operation.attributes)
    made = expression(kind, names, dtypes, value.type.dtype, attributes)
    writer.use_helpers(made.helpers)
    return made.text
