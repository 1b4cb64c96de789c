"""Values of a state as tensors and JSON, and back: what a safetensors file can hold."""

from __future__ import annotations

import math
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError
from gradion.module.state.state_fitting import is_key

__all__ = ["Packer", "Unpacker"]

# Dtypes that safetensors writes and reads through numpy; any other goes in as bytes.
_NATIVE = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    | {"float16", "bfloat16", "float32", "float64", "complex64"}
)
_PLAIN = (bool, int, str, type(None))


@final
class Packer:
    """Collects tensors by name; `forms` says of each that is not one as it stands what it was."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self.forms: dict[str, dict[str, Any]] = {}

    def add(self, name: str, array: jax.Array | np.ndarray) -> None:
        """Take an array as the tensor `name`; InputError, naming it, for one without values."""
        if isinstance(array, jax.core.Tracer):
            raise InputError(
                f"{name} is being traced and has no values", mend="save outside of jit"
            )
        if isinstance(array, jax.Array) and is_key(array):
            kind = jax.random.key_impl(array)
            if not isinstance(kind, str):
                raise InputError(
                    f"{name} has random keys of a kind without a name, which a state file does "
                    "not hold",
                    mend="register it with persistent=False",
                )
            self.forms[name] = {"key": kind}
            array = jax.random.key_data(array)
        plain = np.ascontiguousarray(array).reshape(array.shape)
        if plain.dtype.kind not in "biufc" and plain.dtype.isbuiltin != 2:
            raise InputError(f"{name} is an array of {plain.dtype}, expected numbers")
        plain = plain.astype(plain.dtype.newbyteorder("="), copy=False)
        if plain.dtype.name not in _NATIVE:
            self.forms[name] = {"dtype": plain.dtype.name, "shape": list(plain.shape)}
            plain = plain.reshape(-1).view(np.uint8)
        self.tensors[name] = plain

    def pack(self, name: str, value: Any) -> Any:
        """JSON for a value; arrays in it become tensors. InputError for what is neither."""
        if isinstance(value, (jax.Array, np.ndarray, np.generic)):
            return self._pack_array(name, value)
        kind = type(value)  # exactly: a subclass would come back as something else
        if kind in _PLAIN:
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is list:
            return [self.pack(f"{name}.{i}", item) for i, item in enumerate(value)]
        if kind is tuple:
            return {"tuple": self.pack(name, list(value))}
        if kind is dict:
            for key in value:
                if type(key) not in _PLAIN:
                    raise InputError(
                        f"{name} has a key {key!r}, which a state file does not hold",
                        mend="expected text, a whole number, a bool or None",
                    )
            return {"dict": [[key, self.pack(f"{name}.{key}", value[key])] for key in value]}
        raise InputError(
            f"{name} is a {kind.__name__}, which a state file does not hold",
            mend="expected arrays, numbers, text, None, and lists, tuples and dicts of them",
        )

    def _pack_array(self, name: str, value: Any) -> dict[str, str]:
        tensor = name
        while tensor in self.tensors:
            tensor += "'"
        if isinstance(value, jax.Array):
            self.add(tensor, value)
            return {"array": tensor}
        self.add(tensor, np.asarray(value))
        return {"numpy" if isinstance(value, np.ndarray) else "number": tensor}


@final
class Unpacker:
    """Reads back what a Packer has made. Damaged input raises KeyError, TypeError, ValueError."""

    def __init__(self, tensors: dict[str, np.ndarray], forms: dict[str, dict[str, Any]]) -> None:
        self.tensors = tensors
        self.forms = forms

    def array(self, name: str) -> Any:
        """The array that was added as `name`: of JAX if it holds random keys, else of numpy."""
        tensor = self.tensors[name]
        form = self.forms.get(name, {})
        if not form.keys() <= {"dtype", "shape", "key"}:
            raise ValueError(f"unknown form {form!r}")
        if "dtype" in form:
            tensor = tensor.view(jnp.dtype(form["dtype"])).reshape(form["shape"])
        if "key" in form:
            return jax.random.wrap_key_data(jnp.asarray(tensor), impl=form["key"])
        return tensor

    def unpack(self, packed: Any) -> Any:
        """The value that was packed."""
        if isinstance(packed, list):
            return [self.unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        ((kind, content),) = packed.items()
        if kind == "float":
            return float(content)
        if kind == "tuple":
            return tuple(self.unpack(content))
        if kind == "dict":
            return {key: self.unpack(item) for key, item in content}
        array = self.array(content)
        if kind == "array":
            return jnp.asarray(array)
        if kind == "numpy":
            return array
        if kind == "number":
            return array[()]
        raise ValueError(f"unknown kind {kind!r}")
