"""Patterns of sparse matrices as arrays of C++."""

from __future__ import annotations

import numpy as np

from gradion.graph.cpp.scalar_type import literal
from gradion.graph.sparse import SparsePattern

__all__ = ["pattern_declarations", "pattern_text"]


def pattern_text(name: str, pattern: SparsePattern, *, linked: bool) -> str:
    """The arrays `<name>_indptr` and `<name>_indices`, for other files to link with or not."""
    lines = [f"// {_described(name, pattern)}"]
    for array, values in _arrays(name, pattern).items():
        declared = f"const int32_t {array}[{len(values)}]"
        if linked:
            lines.append(f'extern "C" {{ extern {declared}; }}')
        numbers = [literal(x, "int32") for x in values]
        lines.append(f"{declared if linked else 'static ' + declared} = {{")
        lines += ["    " + ", ".join(numbers[k : k + 16]) + "," for k in range(0, len(values), 16)]
        lines.append("};")
    return "\n".join(lines) + "\n"


def pattern_declarations(name: str, pattern: SparsePattern) -> list[str]:
    """The declarations of the arrays, in C."""
    arrays = _arrays(name, pattern)
    declared = [f"extern const int32_t {array}[{len(values)}];" for array, values in arrays.items()]
    return [f"// {_described(name, pattern)}", *declared]


def _arrays(name: str, pattern: SparsePattern) -> dict[str, np.ndarray]:
    # No array of C++ is empty.
    indices = pattern.indices if pattern.size else np.zeros(1, np.int32)
    return {f"{name}_indptr": pattern.indptr, f"{name}_indices": indices}


def _described(name: str, pattern: SparsePattern) -> str:
    rows, columns = pattern.shape
    return f"{name}: {rows} x {columns}, {pattern.size} entries, compressed sparse rows."
