"""A graph as one C++ function of pointers, with the functions of its subgraphs before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

from gradion.graph.cpp.emitters import EMITTERS, PREPARE
from gradion.graph.cpp.expressions import helper_text
from gradion.graph.cpp.grouping import Group, group_values
from gradion.graph.cpp.layout import Layout
from gradion.graph.cpp.loops import write_loop
from gradion.graph.cpp.lowering import Lowered, lower
from gradion.graph.cpp.memory import MemoryPlan, plan_memory
from gradion.graph.cpp.scalar_type import cpp_type, literal
from gradion.graph.cpp.value import Buffer, Kernel, Role, Value, View
from gradion.graph.cpp.writer import Writer, element
from gradion.graph.graph import Graph, Operation
from gradion.graph.unsupported import UnsupportedOperationError

__all__ = ["Element", "FunctionSet", "FunctionText", "FunctionWriter"]


@final
@dataclass(frozen=True)
class FunctionText:
    """A generated function: its parameters in order, as declarations, and its text."""

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    n_bytes: int
    unshared_bytes: int
    n_loops: int
    text: str


@final
@dataclass
class FunctionSet:
    """The functions of one file, in an order in which they can be defined, and their helpers.

    With `comments`, scope and line of code stand above the lines that come from them.
    """

    comments: bool
    functions: list[FunctionText] = field(default_factory=list)
    helpers: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(self, graph: Graph, name: str, outputs: Sequence[str] = ()) -> FunctionText:
        """Write the function of a graph, and those of its subgraphs before it.

        Raises ValueError for a wrong number of names of `outputs`.
        """
        names = outputs or [f"out_{i}" for i in range(len(graph.outputs))]
        if len(names) != len(graph.outputs):
            raise ValueError(
                f"{name}: got {len(names)} names of outputs, expected {len(graph.outputs)}"
            )
        lowered = lower(graph, names)
        for i, kernel in enumerate(_kernels(lowered)):
            prepare = PREPARE.get(kernel.operation.kind)
            if kernel.operation.kind not in EMITTERS:
                raise UnsupportedOperationError.of(
                    kernel.operation.kind, kernel.operation.source, what="C++ is not written of it"
                )
            if prepare is not None:
                prepare(self, kernel, f"{name}_{kernel.operation.kind}_{i + 1}", lowered.names)
        groups = group_values(lowered.values)
        plan = plan_memory(lowered.values, groups)
        text = FunctionWriter(self, lowered, plan).write(name, groups)
        made = FunctionText(
            name,
            tuple(lowered.inputs),
            tuple(lowered.outputs),
            plan.n_bytes,
            plan.total,
            sum(group.kernel is None and bool(group.loop) for group in groups),
            text,
        )
        self.functions.append(made)
        return made

    def text(self) -> str:
        """Helpers and functions."""
        helpers = [helper_text(name, dtype) for name, dtype in self.helpers]
        return "\n\n".join([*helpers, *(f.text for f in self.functions)])


def _kernels(lowered: Lowered) -> list[Kernel]:
    found: dict[int, Kernel] = {}
    for value in lowered.values:
        if value.kernel is not None:
            found[id(value.kernel)] = value.kernel
    return list(found.values())


@final
@dataclass(frozen=True)
class Element:
    """How the elements of an array are written: by index into memory, or one name for a number."""

    dtype: str
    shape: tuple[int, ...]
    pointer: str
    layout: Layout | None

    def at(self, indices: Sequence[str]) -> str:
        """The element at an index, given as C++ expressions."""
        if self.layout is None:
            return self.pointer
        return element(self.pointer, self.layout.offset, self.layout.strides, indices)


@final
class FunctionWriter:
    """Writes the body of one function."""

    def __init__(self, functions: FunctionSet, lowered: Lowered, plan: MemoryPlan) -> None:
        self.plan = plan
        self.names = lowered.names
        self._functions = functions
        self._lowered = lowered
        self._writer = Writer()
        self._commented = ""

    def write(self, name: str, groups: list[Group]) -> str:
        """The text of the whole function."""
        lowered = self._lowered
        for value in lowered.values:
            if value.role is Role.CONSTANT and value.array is not None:
                self._constant(value)
        for buffer in self.plan.buffers:
            buffer.name = self.names.unique(f"{buffer.name}_data")
            t = cpp_type(buffer.dtype)
            where = f"static_cast<unsigned char*>(workspace) + {buffer.offset}"
            self.line(f"{t}* const {buffer.name} = reinterpret_cast<{t}*>({where});")
        for group in groups:
            if group.kernel is None:
                write_loop(self, group)
            else:
                self._kernel(group.kernel)
        body = self._writer.lines
        unused = [n for n in self._parameter_names() if not _mentioned(n, body)]
        head = self._head(name)
        skip = ["  " + " ".join(f"(void){n};" for n in unused)] if unused else []
        return "\n".join([head, *skip, *body, "}"])

    def _head(self, name: str) -> str:
        lowered = self._lowered
        parameters = [f"const {cpp_type(b.dtype)}* {b.name}" for b in lowered.inputs]
        parameters += [f"{cpp_type(b.dtype)}* {b.name}" for b in lowered.outputs]
        parameters.append("void* workspace")
        return f"GRADION_FUNCTION void {name}(\n    " + ",\n    ".join(parameters) + ") {"

    def _parameter_names(self) -> list[str]:
        lowered = self._lowered
        return [*(b.name for b in (*lowered.inputs, *lowered.outputs)), "workspace"]

    def _constant(self, value: Value) -> None:
        if value.array is None or not value.array.size:
            return
        numbers = [literal(x, value.type.dtype) for x in value.array.ravel()]
        t = cpp_type(value.type.dtype)
        self.line(f"static const {t} {value.name}[{len(numbers)}] = {{")
        for start in range(0, len(numbers), 6):
            self.line("    " + ", ".join(numbers[start : start + 6]) + ",")
        self.line("};")

    def _kernel(self, kernel: Kernel) -> None:
        for result in kernel.results:
            if result.is_scalar:
                t = cpp_type(result.type.dtype)
                self.line(f"{t} {result.name} = {literal(0, result.type.dtype)};")
        if any(result.type.size for result in kernel.results):
            self.comment(kernel.operation)
            with self.block():
                EMITTERS[kernel.operation.kind](self, kernel)
        for result in kernel.results:
            if result.is_scalar and result.home is not None:
                place = self.plan.places[result]
                layout = place.layout
                target = element(self.pointer(place.buffer), layout.offset, (), ())
                self.line(f"{target} = {result.name};")

    def line(self, text: str) -> None:
        """Add a line."""
        self._writer.line(text)

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """Braces around what is written inside."""
        with self._writer.block(head):
            yield

    @contextmanager
    def loops(self, names: Sequence[str], sizes: Sequence[int]) -> Iterator[None]:
        """Loops around what is written inside, the first outermost."""
        with self._writer.loops(names, sizes):
            yield

    def comment(self, operation: Operation | None) -> None:
        """Say where an operation comes from, unless the line before said it."""
        if not self._functions.comments or operation is None:
            return
        source = operation.source
        # The file's name alone: its folder is of one machine.
        file = "" if source is None else f"{source.file.rsplit('/', 1)[-1]}:{source.line}"
        text = "  ".join(part for part in (file, operation.scope) if part)
        # A name may have anything in it; a backslash at the end would go on to the next line.
        text = " ".join(text.encode("ascii", "replace").decode().replace("\\", "/").split())
        if text and text != self._commented:
            self.line(f"// {text}")
            self._commented = text

    def use_helpers(self, helpers: Iterable[tuple[str, str]]) -> None:
        """Note helper functions that the text calls."""
        self._functions.helpers.update(dict.fromkeys(helpers))

    def scalar(self, value: Value) -> str:
        """The name of a number, or its literal."""
        if value.role is not Role.LITERAL:
            return value.name
        text = literal(value.array, value.type.dtype)
        return f"({text})" if text.startswith("-") else text

    def pointer(self, buffer: Buffer) -> str:
        """The name of a buffer's pointer."""
        return buffer.name

    def source(self, view: View) -> Element:
        """The elements of an operand."""
        dtype = view.value.type.dtype
        if view.value.is_scalar:
            return Element(dtype, view.shape, self.scalar(view.value), None)
        if not view.value.type.size:
            # Stands in loops of no rounds only.
            return Element(dtype, view.shape, literal(0, dtype), None)
        place = self.plan.place(view)
        return Element(dtype, view.shape, self.pointer(place.buffer), place.layout)

    def target(self, value: Value) -> Element:
        """The elements of a result."""
        if value.is_scalar:
            return Element(value.type.dtype, value.type.numbers, value.name, None)
        place = self.plan.places[value]
        return Element(
            value.type.dtype, value.type.numbers, self.pointer(place.buffer), place.layout
        )

    def address(self, view: View | Value) -> str:
        """A pointer to the first element of an array without gaps; null for an empty one."""
        value = view.value if isinstance(view, View) else view
        if not value.type.size:
            return "nullptr"
        made = self.source(view) if isinstance(view, View) else self.target(view)
        if made.layout is None:
            return f"&{made.pointer}"
        return f"{made.pointer} + {made.layout.offset}" if made.layout.offset else made.pointer


def _mentioned(name: str, lines: Sequence[str]) -> bool:
    pattern = re.compile(rf"\b{name}\b")
    return any(pattern.search(line) for line in lines)
