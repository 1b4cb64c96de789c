"""Which values share a loop.

Greedy, in the order of the values. An elementwise value joins the first loop of its shape at or
after the last group that makes one of its operands: at it, where the operand comes element by
element from that very loop, and after it, where the operand is seen through a view. Everything
else is a group of its own, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from gradion.graph.cpp.value import Kernel, Role, Value, View

__all__ = ["Group", "group_values", "is_local"]


@final
@dataclass(eq=False)
class Group:
    """Values that one loop of the shape `loop` computes, or a kernel."""

    index: int
    loop: tuple[int, ...]
    values: list[Value] = field(default_factory=list)
    kernel: Kernel | None = None


def group_values(values: list[Value]) -> list[Group]:
    """The groups in the order of their code; sets `group` and `stored` of the values."""
    groups: list[Group] = []
    for value in values:
        if value.role is Role.LOOP:
            _join(value, groups)
        elif value.role is Role.KERNEL and value.kernel is not None:
            kernel = value.kernel
            if kernel.group < 0:
                kernel.group = len(groups)
                groups.append(Group(kernel.group, (), kernel.results, kernel))
            value.group = kernel.group
    _mark_stored(values, groups)
    return groups


def is_local(view: View, user: Value) -> bool:
    """Whether a loop has the view's element at hand where it computes the user's."""
    value = view.value
    return value.role is Role.LOOP and view.aligned and value.loop == user.loop


def _join(value: Value, groups: list[Group]) -> None:
    first = 0
    for view in value.operands:
        behind = 0 if is_local(view, value) else 1
        first = max(first, view.value.ready + behind)
    first = max([first, *(other.ready + 1 for other in value.after)])
    for group in groups[first:]:
        if group.kernel is None and group.loop == value.loop:
            break
    else:
        group = Group(len(groups), value.loop)
        groups.append(group)
    group.values.append(value)
    value.group = group.index


def _mark_stored(values: list[Value], groups: list[Group]) -> None:
    """What memory is needed for: parts and outputs, and what other groups read."""
    for value in values:
        value.stored = value.stored or value.home is not None or value.role is Role.HOLDER
    for group in groups:
        views = group.kernel.operands if group.kernel else []
        for view in views:
            view.value.stored = view.value.stored or not view.value.is_scalar
        for user in group.values if not group.kernel else ():
            for view in user.operands:
                same = is_local(view, user) and view.value.group == user.group
                if not same and not view.value.is_scalar:
                    view.value.stored = True
        for result in group.kernel.results if group.kernel else ():
            result.stored = result.stored or not result.is_scalar
