"""What the C++ of a graph computes: values, views of them, and where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import final

import numpy as np

from gradion.graph.cpp.layout import Layout, significant
from gradion.graph.cpp.scalar_type import itemsize
from gradion.graph.graph import Operation, TensorType

__all__ = ["Buffer", "BufferRole", "Home", "Kernel", "Role", "Step", "Value", "View"]

# A change of layout; None where the elements would have to be copied.
Step = Callable[[Layout], Layout | None]


class Role(Enum):
    """How a value comes to be."""

    INPUT = auto()
    CONSTANT = auto()  # an array in the source
    LITERAL = auto()  # a number in the source
    LOOP = auto()  # element by element, in a loop that others share
    KERNEL = auto()  # by code of its own
    HOLDER = auto()  # put together of parts, each written in place


class BufferRole(Enum):
    """Whose memory a buffer is."""

    INPUT = auto()
    OUTPUT = auto()
    CONSTANT = auto()
    WORKSPACE = auto()


@final
@dataclass(eq=False)
class Buffer:
    """Memory for elements of one dtype; `first` and `last` are the groups that use it."""

    name: str
    dtype: str
    size: int
    role: BufferRole
    first: int = -1
    last: int = -1
    offset: int = -1  # [bytes], in the workspace

    @property
    def n_bytes(self) -> int:
        """Its size [bytes]."""
        return self.size * itemsize(self.dtype)


@final
@dataclass(eq=False)
class Value:
    """An array, or a number, of the generated function.

    `operands` are what a LOOP value is computed of by `operation`, or by a plain copy where that
    is None; `after` are values that must be written before it, `parts` those that a HOLDER is made
    of. `flat` asks for elements without gaps. `group` is the place of its code among the groups.
    """

    name: str
    type: TensorType
    role: Role
    operation: Operation | None = None
    operands: list[View] = field(default_factory=list)
    after: list[Value] = field(default_factory=list)
    array: np.ndarray | None = None
    kernel: Kernel | None = None
    parts: list[Value] = field(default_factory=list)
    flat: bool = False
    home: Home | None = None
    group: int = -1
    stored: bool = False

    @property
    def loop(self) -> tuple[int, ...]:
        """The shape of its loop; values of equal loops can share one."""
        return significant(self.type.numbers)

    @property
    def is_scalar(self) -> bool:
        """Whether it has one element: it is then a local variable."""
        return self.type.size == 1 and self.role in (Role.LOOP, Role.KERNEL, Role.LITERAL)

    @property
    def ready(self) -> int:
        """The last group that writes any of it."""
        if self.role is Role.HOLDER:
            return max([part.ready for part in self.parts], default=-1)
        return self.group


@final
@dataclass(frozen=True)
class View:
    """A value seen through operations that only move elements.

    `aligned` says that the elements come in the value's own order with none left out, and only
    sizes of one came or went; `in_order` says the same where the shape may be any.
    """

    value: Value
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    aligned: bool = True
    in_order: bool = True

    def through(self, step: Step, shape: Sequence[int], *, in_order: bool = False) -> View:
        """This view seen through one operation more."""
        same = in_order and significant(shape) == significant(self.shape)
        return View(
            self.value,
            tuple(shape),
            (*self.steps, step),
            self.aligned and same,
            self.in_order and in_order,
        )

    def layout(self, whole: Layout) -> Layout | None:
        """Where the elements lie if the value lies like this."""
        layout: Layout | None = whole
        for step in self.steps:
            if layout is None:
                return None
            layout = step(layout)
        return layout


@final
@dataclass(frozen=True, eq=False)
class Home:
    """A place in a buffer, or in another value that is put together of parts."""

    inside: Value | Buffer
    region: Step


@final
@dataclass(eq=False)
class Kernel:
    """An operation with code of its own.

    `scratch` is memory for the time that it runs; `functions` are the C++ names of its subgraphs,
    whose workspaces are the first of it, and `carried` the part for the next carries of a loop.
    """

    operation: Operation
    operands: list[View]
    results: list[Value]
    scratch: list[Buffer] = field(default_factory=list)
    carried: list[Buffer] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    group: int = -1
