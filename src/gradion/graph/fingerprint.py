"""A digest of what a graph computes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradion.foundation.dimension import Dimension
from gradion.graph.graph import STATEFUL, Graph, Operation, Tensor

__all__ = ["fingerprint"]


def fingerprint(graph: Graph) -> str:
    """SHA-256 of the outputs, each with all that it is computed from, as 64 hexadecimal digits.

    It follows from kinds, attributes, types, constants (by their bits), subgraphs and the order of
    inputs and of outputs. Names, scopes and lines of code do not count, nor do the order of
    operations and operations that no output needs. In a graph with state every effect counts, in
    its order, and so do the names of variables.

    Raises TypeError for an attribute that is no value of JSON.
    """
    return _digest(graph).hex()


def _digest(graph: Graph) -> bytes:
    places = {tensor.operation: place for place, tensor in enumerate(graph.inputs)}
    known: dict[Operation, bytes] = {}
    effects: list[bytes] = []
    for operation in graph:
        text = [operation.kind, _text(operation.attributes)]
        text += [str(tensor.type) for tensor in operation.outputs]
        if operation in places:
            text.append(str(places[operation]))
        if operation.kind in STATEFUL:
            # What a read gives depends on the effects before it.
            text += [str(len(effects)), operation.name if operation.kind == "variable" else ""]
        digest = hashlib.sha256("\n".join(text).encode())
        for tensor in operation.inputs:
            digest.update(_of(tensor, known))
        for before in operation.control_inputs:
            digest.update(b"control" + known[before])
        for subgraph in operation.subgraphs:
            digest.update(b"subgraph" + _digest(subgraph))
        if operation.value is not None:
            _add_array(digest, operation.value)
        known[operation] = digest.digest()
        if operation.kind in STATEFUL:
            effects.append(known[operation])
    inputs = "\n".join(str(tensor.type) for tensor in graph.inputs)
    whole = hashlib.sha256(f"{len(graph.inputs)}\n{inputs}\n".encode())
    for tensor in graph.outputs:
        whole.update(_of(tensor, known))
    for effect in effects:
        whole.update(b"effect" + effect)
    return whole.digest()


def _of(tensor: Tensor, known: Mapping[Operation, bytes]) -> bytes:
    return known[tensor.operation] + tensor.index.to_bytes(4, "little")


def _add_array(digest: Any, value: np.ndarray) -> None:
    array = np.ascontiguousarray(value)
    digest.update(array.dtype.str.encode())
    # As bytes: bfloat16 and its like have no buffer that others can read.
    digest.update(array.reshape(-1).view(np.uint8).data)


def _text(value: Any) -> str:
    """A value of JSON as text; a tuple is a list, keys are sorted, numbers keep their type."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key!r}:{_text(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, Dimension):
        return f"<{value.text!r}>"
    raise TypeError(f"an attribute is {value!r}, expected a value of JSON")
