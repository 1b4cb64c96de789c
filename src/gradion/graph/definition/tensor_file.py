"""Arrays by name as safetensors, bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError
from gradion.graph.definition.limits import Limits

__all__ = ["DTYPES", "read_tensors", "write_tensors"]

_CODES: Final[dict[str, str]] = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
# The dtypes of a graph in a file, by name; jnp knows those that numpy has not.
DTYPES: Final[dict[str, np.dtype[Any]]] = {
    name: np.dtype(jnp.dtype(name)) for name in _CODES.values()
}


def write_tensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """A safetensors file in memory; raises InputError, naming the array, for another dtype."""
    from safetensors.numpy import save  # few programs save: not at import

    for name, array in tensors.items():
        if array.dtype.name not in DTYPES:
            raise InputError(
                f"{name} has the dtype {array.dtype}, which a file of a graph does not hold",
                mend=f"expected one of {', '.join(DTYPES)}",
            )
    # Big-endian arrays have the same names of dtypes; ascontiguousarray would lose rank 0.
    plain = {
        name: np.require(array, array.dtype.newbyteorder("<"), "C")
        for name, array in tensors.items()
    }
    return bytes(save(plain))


def read_tensors(content: bytes, where: str, limits: Limits) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, which cannot be written to. Raises InputError."""
    from safetensors import SafetensorError, deserialize  # as in write_tensors

    try:
        found = deserialize(content)
    except SafetensorError as error:
        raise InputError(f"is no safetensors file: {str(error)[:200]}", where=where) from None
    tensors: dict[str, np.ndarray] = {}
    for name, stored in found:
        if stored["dtype"] not in _CODES:
            raise InputError(
                f"the dtype {stored['dtype']} of {name[:100]!r} is not known", where=where
            )
        shape = tuple(stored["shape"])
        # An axis of none beside huge ones: numpy counts the others too.
        if np.prod([max(n, 1) for n in shape], dtype=float) > limits.tensor_bytes:
            raise InputError(f"the shape of {name[:100]!r} is too large", where=where)
        dtype = DTYPES[_CODES[stored["dtype"]]]
        array = np.frombuffer(bytes(stored["data"]), dtype).reshape(shape)
        # A truth of any other bits is neither true nor false to a compiler.
        if dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
            raise InputError(f"{name[:100]!r} has truth values that are not 0 or 1", where=where)
        tensors[name] = array
    return tensors
