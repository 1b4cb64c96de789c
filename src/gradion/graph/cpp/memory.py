"""Where values are kept: homes, and a workspace in which memory is used again.

A buffer of the workspace is taken from the first group that writes it to the last that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from gradion.graph.cpp.grouping import Group
from gradion.graph.cpp.layout import Layout
from gradion.graph.cpp.value import Buffer, BufferRole, Role, Value, View
from gradion.graph.placement import Block, place_blocks

__all__ = ["MemoryPlan", "Place", "plan_memory"]


@final
@dataclass(frozen=True)
class Place:
    """A buffer and where in it the elements lie."""

    buffer: Buffer
    layout: Layout


@final
@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """The places of all stored values, and the workspace.

    `n_bytes` is the size of the workspace, `total` what its buffers would take side by side.
    """

    places: dict[Value, Place]
    buffers: tuple[Buffer, ...]
    n_bytes: int
    total: int

    def place(self, view: View) -> Place:
        """Where the elements of a view lie."""
        whole = self.places[view.value]
        layout = view.layout(whole.layout)
        if layout is None:
            raise ValueError(f"{view.value.name}: a view of it has no layout; report this as a bug")
        return Place(whole.buffer, layout)


def plan_memory(values: list[Value], groups: list[Group]) -> MemoryPlan:
    """Give every stored value a place."""
    places: dict[Value, Place] = {}
    owned: dict[Value, Buffer] = {}
    for value in values:
        if value.stored and value.type.size:
            places[value] = _place(value, owned)
    for value, place in places.items():
        if value.role in (Role.LOOP, Role.KERNEL):
            _use(place.buffer, value.group)
    buffers = list(owned.values())
    for group in groups:
        if group.kernel is not None:
            for scratch in group.kernel.scratch:
                _use(scratch, group.index)
                buffers.append(scratch)
        for view in _reads(group):
            if view.value in places:
                _use(places[view.value].buffer, group.index)
    return _arrange(places, [b for b in buffers if b.role is BufferRole.WORKSPACE])


def _place(value: Value, owned: dict[Value, Buffer]) -> Place:
    plain = Layout.contiguous(value.type.numbers)
    if value.home is None:
        if value not in owned:
            owned[value] = Buffer(
                value.name, value.type.dtype, value.type.size, BufferRole.WORKSPACE
            )
        return Place(owned[value], plain)
    inside = value.home.inside
    outer = Place(inside, plain) if isinstance(inside, Buffer) else _place(inside, owned)
    layout = value.home.region(outer.layout)
    if layout is None:
        raise ValueError(f"{value.name} does not fit its home; report this as a bug")
    return Place(outer.buffer, layout)


def _reads(group: Group) -> Iterable[View]:
    if group.kernel is not None:
        return group.kernel.operands
    return [view for value in group.values for view in value.operands]


def _use(buffer: Buffer, group: int) -> None:
    buffer.first = group if buffer.first < 0 else min(buffer.first, group)
    buffer.last = max(buffer.last, group)


def _arrange(places: dict[Value, Place], buffers: list[Buffer]) -> MemoryPlan:
    placement = place_blocks([Block(b.n_bytes, b.first, b.last) for b in buffers])
    for buffer, offset in zip(buffers, placement.offsets, strict=True):
        buffer.offset = offset
    return MemoryPlan(places, tuple(buffers), placement.n_bytes, placement.unshared)
