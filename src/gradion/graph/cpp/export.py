"""A folder with the C++ of a function, a Makefile and a test: it runs where there is no Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradion.graph.cpp.cpp_function import CppFunction
from gradion.graph.cpp.function import FunctionText
from gradion.graph.cpp.scalar_type import cpp_type, literal
from gradion.graph.cpp.source import CppOptions
from gradion.graph.evaluate import evaluate
from gradion.graph.graph import TensorType

__all__ = ["export_folder"]

_MAKEFILE = """\
CXX ?= c++
CXXFLAGS ?= -std=c++17 -O3 -fno-math-errno -Wall -Wextra -pedantic

test: {name}_test
\t./{name}_test

{name}_test: {name}_test.cc {name}.o
\t$(CXX) $(CXXFLAGS) -o $@ $^

{name}.o: {name}.cc {name}.h
\t$(CXX) $(CXXFLAGS) -c -o $@ {name}.cc

clean:
\trm -f {name}_test {name}.o

.PHONY: test clean
"""

_MAIN = """\
// Runs {name} on stored inputs and compares with stored outputs: prints the largest error in units
// of the largest stored number, and returns 1 if that is above the tolerance or not a number.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "{name}.h"

namespace {{

{data}

template <typename T>
double Error(const T* got, const T* expected, size_t n) {{
  double error = 0.0, scale = 0.0;
  for (size_t i = 0; i < n; ++i) {{
    const double a = static_cast<double>(got[i]), b = static_cast<double>(expected[i]);
    if (a == b || (a != a && b != b)) continue;
    const double difference = std::fabs(a - b);
    error = !(difference <= error) ? difference : error;
  }}
  for (size_t i = 0; i < n; ++i) {{
    const double size = std::fabs(static_cast<double>(expected[i]));
    scale = size > scale && size <= 1.7e308 ? size : scale;
  }}
  return error == 0.0 ? 0.0 : error / (scale > 0.0 ? scale : 1.0);
}}

}}  // namespace

int main() {{
  const double tolerance = {tolerance};
  double worst = 0.0;
{calls}
  std::printf("{name}: largest error %.3g, tolerance %.3g\\n", worst, tolerance);
  return worst <= tolerance ? 0 : 1;
}}
"""


def export_folder(
    function: CppFunction, path: str | os.PathLike[str], *examples: Any, tolerance: float = 1e-12
) -> Path:
    """Write a compiled function as a folder that needs a C++17 compiler alone.

    `<name>.cc` has value and derivatives behind the C interface of `<name>.h`, which C can include
    too. `make` builds and runs `<name>_test`: it calls them on the arrays of the examples and
    compares with what JAX gives for these, stored in the file; its exit status is 0 if all agree
    to `tolerance`, relative to the largest number of each result. Tangents and cotangents of the
    test are 1, 1/2, 1/3, ... An existing folder's files of these names are replaced. Returns the
    folder.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    name = function.name
    source = function.source(CppOptions())
    data, calls = [], []
    values = function.arrays(*examples)
    for key, graph in function.graphs.items():
        more = [_uneven(t.type) for t in graph.inputs[len(values) :]]
        arrays = [*values, *more]
        found = [np.asarray(y) for y in evaluate(graph, arrays)]
        data.append(_data(key, arrays, found))
        calls.append(_call(key, source.functions[key]))
    main = _MAIN.format(
        name=name, data="\n".join(data), calls="\n".join(calls), tolerance=repr(float(tolerance))
    )
    files = {
        f"{name}.cc": source.text,
        f"{name}.h": source.header,
        f"{name}_test.cc": main,
        "Makefile": _MAKEFILE.format(name=name),
    }
    for file, text in files.items():
        (folder / file).write_text(text, encoding="ascii")
    return folder


def _uneven(tensor_type: TensorType) -> np.ndarray:
    """1, 1/2, 1/3, ...: where all are alike, results may cancel to nothing but rounding."""
    numbers = 1.0 / np.arange(1, tensor_type.size + 1)
    return numbers.reshape(tensor_type.numbers).astype(tensor_type.dtype)


def _data(key: str, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> str:
    lines = []
    for what, arrays in (("in", inputs), ("out", outputs)):
        for i, array in enumerate(arrays):
            dtype = array.dtype.name
            # No array of C++ is empty.
            numbers = [literal(x, dtype) for x in array.ravel()] or [literal(0, dtype)]
            lines.append(f"const {cpp_type(dtype)} {key}_{what}_{i}[] = {{")
            lines += [
                "    " + ", ".join(numbers[k : k + 6]) + "," for k in range(0, len(numbers), 6)
            ]
            lines.append("};")
    return "\n".join(lines)


def _call(key: str, function: FunctionText) -> str:
    inputs = ", ".join(f"{key}_in_{i}" for i in range(len(function.inputs)))
    lines = ["  {", f"    const void* const inputs[] = {{{inputs}}};"]
    for i, b in enumerate(function.outputs):
        lines.append(f"    static {cpp_type(b.dtype)} out_{i}[{max(b.size, 1)}];")
    outputs = ", ".join(f"out_{i}" for i in range(len(function.outputs)))
    lines += [
        f"    void* const outputs[] = {{{outputs}}};",
        f"    std::vector<unsigned char> space({key}_workspace() + 64);",
        "    // The workspace begins at a multiple of 64.",
        "    const size_t past = reinterpret_cast<uintptr_t>(space.data()) % 64;",
        f"    {key}(inputs, outputs, space.data() + (64 - past));",
    ]
    for i, b in enumerate(function.outputs):
        lines.append(
            f"    {{ const double e = Error(out_{i}, {key}_out_{i}, {b.size}); "
            "worst = !(e <= worst) ? e : worst; }"
        )
    return "\n".join([*lines, "  }"])
