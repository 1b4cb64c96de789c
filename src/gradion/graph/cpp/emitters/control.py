"""Conditionals and loops in C++: the subgraphs are functions of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from gradion.graph.cpp.names import Names
from gradion.graph.cpp.scalar_type import cpp_type
from gradion.graph.cpp.value import Buffer, BufferRole, Kernel, Value
from gradion.graph.graph import TensorType

if TYPE_CHECKING:
    from gradion.graph.cpp.function import FunctionSet, FunctionWriter

__all__ = ["PREPARE", "write_cond", "write_scan", "write_while"]


def _prepare(functions: FunctionSet, kernel: Kernel, name: str, names: Names) -> None:
    """Write the subgraphs' functions, and ask for their workspaces and the next carries."""
    made = [
        functions.add(graph, f"{name}_{i}") for i, graph in enumerate(kernel.operation.subgraphs)
    ]
    kernel.functions = [function.name for function in made]
    kernel.scratch = [
        Buffer(names.unique(f"{f.name}_space"), "uint8", f.n_bytes, BufferRole.WORKSPACE)
        for f in made
    ]


def _prepare_loop(functions: FunctionSet, kernel: Kernel, name: str, names: Names) -> None:
    _prepare(functions, kernel, name, names)
    kernel.carried = [
        Buffer(names.unique(f"{name}_next"), r.type.dtype, r.type.size, BufferRole.WORKSPACE)
        for r in _carries(kernel)
    ]
    kernel.scratch += kernel.carried


PREPARE: Final[dict[str, Callable[[FunctionSet, Kernel, str, Names], None]]] = {
    "cond": _prepare,
    "while": _prepare_loop,
    "scan": _prepare_loop,
}


def write_cond(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a choice among branches; an index outside takes the nearest."""
    which, *operands = kernel.operands
    arguments = [writer.address(view) for view in operands]
    results = [writer.address(value) for value in kernel.results]
    index = writer.source(which).at(["0"] * len(which.shape))
    last = len(kernel.functions) - 1
    for number in range(last + 1):
        if number == last:
            head = "else" if last else ""
        else:
            head = f"{'else ' if number else ''}if ({index} <= {number})"
        with writer.block(head):
            _call(writer, kernel, number, arguments, results)


def write_while(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a loop with a condition; the results hold the carries."""
    given = kernel.operation.attributes
    n_cond = given["n_cond_constants"]
    first = n_cond + given["n_body_constants"]
    operands = [writer.address(view) for view in kernel.operands]
    carries = [writer.address(value) for value in kernel.results]
    for value, to, start in zip(kernel.results, carries, operands[first:], strict=True):
        _move(writer, to, start, value.type)
    writer.line("bool go_on = false;")
    with writer.block("for (;;)"):
        _call(writer, kernel, 0, [*operands[:n_cond], *carries], ["&go_on"])
        writer.line("if (!go_on) break;")
        following = [writer.pointer(buffer) for buffer in kernel.carried]
        _call(writer, kernel, 1, [*operands[n_cond:first], *carries], following)
        for value, to, new in zip(kernel.results, carries, following, strict=True):
            _move(writer, to, new, value.type)


def write_scan(writer: FunctionWriter, kernel: Kernel) -> None:
    """Write a loop over the leading axis of arrays; the first results hold the carries."""
    given = kernel.operation.attributes
    first = given["n_constants"]
    n_carries = given["n_carries"]
    operands = [writer.address(view) for view in kernel.operands]
    results = [writer.address(value) for value in kernel.results]
    carried, stacked = kernel.results[:n_carries], kernel.results[n_carries:]
    for value, to, start in zip(carried, results, operands[first:], strict=False):
        _move(writer, to, start, value.type)
    length = given["length"]
    with writer.loops(["step"], [length]):
        at = "step"
        if given["reverse"]:
            writer.line(f"const int64_t at = {length - 1} - step;")
            at = "at"
        scanned = [
            _row(pointer, view.shape, at)
            for view, pointer in zip(
                kernel.operands[first + n_carries :], operands[first + n_carries :], strict=True
            )
        ]
        rows = [
            _row(pointer, value.type.numbers, at)
            for value, pointer in zip(stacked, results[n_carries:], strict=True)
        ]
        following = [writer.pointer(buffer) for buffer in kernel.carried]
        arguments = [*operands[:first], *results[:n_carries], *scanned]
        _call(writer, kernel, 0, arguments, [*following, *rows])
        for value, to, new in zip(carried, results, following, strict=False):
            _move(writer, to, new, value.type)


def _carries(kernel: Kernel) -> list[Value]:
    count = kernel.operation.attributes.get("n_carries")
    return kernel.results if count is None else kernel.results[:count]


def _row(pointer: str, shape: tuple[int, ...], at: str) -> str:
    if 0 in shape:
        return pointer
    size = TensorType("bool", shape[1:]).size
    return f"{pointer} + {size} * {at}" if size > 1 else f"{pointer} + {at}"


def _call(
    writer: FunctionWriter,
    kernel: Kernel,
    number: int,
    arguments: Sequence[str],
    results: Sequence[str],
) -> None:
    space = writer.pointer(kernel.scratch[number])
    writer.line(f"{kernel.functions[number]}({', '.join([*arguments, *results, space])});")


def _move(writer: FunctionWriter, to: str, start: str, moved: TensorType) -> None:
    if moved.size and to != start:
        size = f"{moved.size} * sizeof({cpp_type(moved.dtype)})"
        writer.line(f"std::memcpy({to}, {start}, {size});")
