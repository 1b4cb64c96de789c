"""Whole C++ files: preamble, functions, and the C interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from gradion.graph.cpp.function import FunctionSet, FunctionText
from gradion.graph.cpp.names import Names
from gradion.graph.cpp.pattern_text import pattern_declarations, pattern_text
from gradion.graph.cpp.scalar_type import cpp_type
from gradion.graph.graph import Graph
from gradion.graph.sparse import SparsePattern

__all__ = ["CppOptions", "CppSource", "write_cpp"]

_PREAMBLE: Final = """\
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef GRADION_FUNCTION
#if defined(__CUDACC__)
#define GRADION_FUNCTION static inline __host__ __device__
#else
#define GRADION_FUNCTION static inline
#endif
// Marks loops whose rounds do not depend on one another.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#define GRADION_LOOP _Pragma("GCC ivdep")
#else
#define GRADION_LOOP
#endif
#endif
"""


@final
@dataclass(frozen=True)
class CppOptions:
    """How the text is written.

    With `header_only` the file has the inline functions alone, for a larger file to include; else
    it has the C interface too. With `comments` the lines say which code they come from; what is
    compiled by gradion has none, so that code that moves in its file is not compiled again.
    """

    header_only: bool = False
    comments: bool = True


@final
@dataclass(frozen=True)
class CppSource:
    """The text of a C++ file and its functions by name, the order of the graphs kept."""

    text: str
    header: str
    functions: dict[str, FunctionText]


def write_cpp(
    graphs: Mapping[str, Graph],
    *,
    outputs: Mapping[str, Sequence[str]] | None = None,
    patterns: Mapping[str, SparsePattern] | None = None,
    options: CppOptions | None = None,
) -> CppSource:
    """C++17 of graphs, a function each, under the names that are their keys.

    For a graph `law` with inputs x, T and output U there are

        static inline void law_inline(const double* x, const double* T, double* U, void* workspace)
        extern "C" void law(const void* const* inputs, void* const* outputs, void* workspace)
        extern "C" size_t law_workspace(void)

    the last two where `options.header_only` is not set. Arrays are row-major, of the graph's dtypes
    and shapes; inputs and outputs stand in the graph's order. The workspace has law_workspace()
    bytes, aligned for every type (64 is best); it may be null where that is 0. Nothing is
    allocated, nothing can fail, nothing is kept between calls. Outputs must not overlap inputs,
    the workspace or each other. `outputs` names the results; else they are out_0, out_1, ...
    Where a graph `law` gives the values of a sparse matrix, `patterns` has its pattern, and the
    file the arrays `law_indptr` and `law_indices` (int32_t): compressed sparse rows.

    Raises ValueError for a name that C++ cannot have, and UnsupportedOperationError for an
    operation or a dtype that C++ is not written of.
    """
    for name in graphs:
        if Names().unique(name) != name:
            raise ValueError(
                f"the function's name {name!r} is no identifier of C++, or taken there; expected "
                "another name="
            )
    chosen = options or CppOptions()
    functions = FunctionSet(chosen.comments)
    made = {
        name: functions.add(graph, f"{name}_inline", (outputs or {}).get(name, ()))
        for name, graph in graphs.items()
    }
    note = "// Written by gradion from a captured graph; there is nothing to edit here.\n"
    parts = ["#pragma once\n" if chosen.header_only else "", note, _PREAMBLE, functions.text(), ""]
    tables = patterns or {}
    parts += [pattern_text(name, p, linked=not chosen.header_only) for name, p in tables.items()]
    if not chosen.header_only:
        parts += [_interface(name, function) for name, function in made.items()]
    text = "\n".join(part for part in parts if part)
    return CppSource(text.rstrip("\n") + "\n", _header(made, tables), made)


def _interface(name: str, function: FunctionText) -> str:
    arguments = [
        f"static_cast<const {cpp_type(b.dtype)}*>(inputs[{i}])"
        for i, b in enumerate(function.inputs)
    ]
    arguments += [
        f"static_cast<{cpp_type(b.dtype)}*>(outputs[{i}])" for i, b in enumerate(function.outputs)
    ]
    arguments.append("workspace")
    unused = "" if function.inputs else "  (void)inputs;\n"
    unused += "" if function.outputs else "  (void)outputs;\n"
    call = ",\n      ".join(arguments)
    return (
        f'extern "C" void {name}(const void* const* inputs, void* const* outputs, '
        f"void* workspace) {{\n{unused}  {function.name}(\n      {call});\n}}\n\n"
        f'extern "C" size_t {name}_workspace(void) {{ return {function.n_bytes}; }}\n'
    )


def _header(functions: Mapping[str, FunctionText], patterns: Mapping[str, SparsePattern]) -> str:
    lines = [
        "// Written by gradion from a captured graph; there is nothing to edit here.",
        "#pragma once",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
    ]
    for name, function in functions.items():
        for what, buffers in (("inputs", function.inputs), ("outputs", function.outputs)):
            for i, b in enumerate(buffers):
                lines.append(f"// {what}[{i}]: {cpp_type(b.dtype)} {b.name}[{b.size}]")
        lines.append(
            f"void {name}(const void* const* inputs, void* const* outputs, void* workspace);"
        )
        lines.append(f"size_t {name}_workspace(void);  // [bytes]")
        if name in patterns:
            lines += pattern_declarations(name, patterns[name])
        lines.append("")
    return "\n".join([*lines, "#ifdef __cplusplus", "}", "#endif", ""])
