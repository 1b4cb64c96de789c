"""Many graphs in one library: compiling one file takes as long as compiling a hundred functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gradion.extension import load
from gradion.graph import Graph
from gradion.graph.cpp import write_cpp

# Each product and sum rounded by itself, as where JAX runs one operation after the other.
EXACT = ("-ffp-contract=off", "-Wall", "-Wextra", "-Werror")


def compiled_graphs(
    name: str, graphs: Mapping[str, Graph], folder: Path
) -> dict[str, Callable[[Sequence[np.ndarray]], list[np.ndarray]]]:
    """Each graph as a function of arrays, through its C interface."""
    path = folder / f"{name}.cc"
    path.write_text(write_cpp(graphs).text, encoding="ascii")
    library = load(name, path, flags=EXACT)
    opened = ctypes.CDLL(str(library.paths["cpu"]))
    return {key: _caller(opened, key, graph) for key, graph in graphs.items()}


def _caller(
    opened: ctypes.CDLL, key: str, graph: Graph
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    size = getattr(opened, f"{key}_workspace")
    size.restype = ctypes.c_size_t

    def call(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        inputs = [np.array(x, order="C") for x in arrays]
        # What is not written, and what is read before it is written, shows.
        outputs = [np.full(t.shape, 77, t.dtype) for t in graph.outputs]
        space = np.full(size() + 64, 255, np.uint8)
        pointer = ctypes.c_void_p
        getattr(opened, key)(
            (pointer * len(inputs))(*[x.ctypes.data for x in inputs]),
            (pointer * len(outputs))(*[y.ctypes.data for y in outputs]),
            pointer(space.ctypes.data + (-space.ctypes.data) % 64),
        )
        return outputs

    return call
