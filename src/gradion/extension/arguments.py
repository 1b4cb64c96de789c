"""The arguments of a call against the declaration, before anything native sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.extension.array import Array, OneOf
from gradion.extension.declaration import AttributeType, Declaration
from gradion.foundation.compat.native_call import Shaped

__all__ = [
    "as_arrays",
    "bind_attributes",
    "bind_dtypes",
    "bind_sizes",
    "resolve",
    "resolve_dtype",
]


def as_arrays(declared: Declaration, arguments: Sequence[Any]) -> list[jax.Array]:
    """The arguments as arrays, with dtypes as declared and none of them cast.

    A Python number has no dtype and takes the declared one. Raises TypeError for a wrong number
    of arguments, for what is no array and for a wrong dtype, ValueError for a wrong rank.
    """
    where = f"operator {declared.name!r}"
    if len(arguments) != len(declared.inputs):
        raise TypeError(
            f"{where}: got {len(arguments)} arguments, expected {len(declared.inputs)}: "
            + ", ".join(map(str, declared.inputs))
        )
    numbers = [(a, x) for a, x in zip(declared.inputs, arguments, strict=True) if _is_number(x)]
    arrays = [
        x if _is_number(x) else _as_array(where, a, x)
        for a, x in zip(declared.inputs, arguments, strict=True)
    ]
    if numbers:
        chosen = _chosen(
            where,
            [(a, x) for a, x in zip(declared.inputs, arrays, strict=True) if not _is_number(x)],
        )
        arrays = [
            _number_as_array(where, a, x, chosen) if _is_number(x) else x
            for a, x in zip(declared.inputs, arrays, strict=True)
        ]
    for array, x in zip(declared.inputs, arrays, strict=True):
        if x.ndim != len(array.dims):
            raise ValueError(
                f"{where}: input {array.name!r} has {x.ndim} dimensions, shape {x.shape}; "
                f"expected {len(array.dims)}: [{', '.join(map(str, array.dims))}]"
            )
    return arrays


def bind_dtypes(declared: Declaration, dtypes: Sequence[Any]) -> tuple[np.dtype, ...]:
    """The dtype of each of `declared.variables`, from those of the inputs."""
    where = f"operator {declared.name!r}"
    pairs = [(a, jax.ShapeDtypeStruct((), d)) for a, d in zip(declared.inputs, dtypes, strict=True)]
    chosen = _chosen(where, pairs)
    return tuple(chosen[variable][0] for variable in declared.variables)


def bind_attributes(declared: Declaration, given: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The attributes in the declared order, as Python values of the declared types.

    Raises TypeError for one that is missing, unknown, traced or of another type.
    """
    where = f"operator {declared.name!r}"
    missing = [name for name in declared.attributes if name not in given]
    unknown = [name for name in given if name not in declared.attributes]
    if missing or unknown:
        raise TypeError(
            f"{where}: got the keywords {sorted(given)}, expected "
            f"{sorted(declared.attributes) or 'none'}"
        )
    return tuple(
        (name, _attribute(where, name, kind, given[name]))
        for name, kind in declared.attributes.items()
    )


def bind_sizes(
    declared: Declaration, shapes: Sequence[tuple[int, ...]], attributes: Mapping[str, Any]
) -> dict[str, int]:
    """The size of each named dimension; raises ValueError where two disagree."""
    where = f"operator {declared.name!r}"
    sizes: dict[str, int] = {}
    source: dict[str, str] = {}
    for array, shape in zip(declared.inputs, shapes, strict=True):
        for axis, (dim, size) in enumerate(zip(array.dims, shape, strict=True)):
            expected = sizes.setdefault(dim, size) if isinstance(dim, str) else dim
            if isinstance(dim, str):
                source.setdefault(dim, array.name)
            if size != expected:
                reason = f"{dim} = {expected} in {source[dim]!r}" if isinstance(dim, str) else dim
                raise ValueError(
                    f"{where}: input {array.name!r} has size {size} along axis {axis}, shape "
                    f"{tuple(shape)}; expected {reason}, as declared by {array}"
                )
    if declared.sizes is not None:
        derived = declared.sizes({**attributes, **sizes})
        for name, size in derived.items():
            if sizes.setdefault(name, size) != size:
                raise ValueError(
                    f"{where}: the dimension {name!r} is {sizes[name]} in {source[name]!r}; "
                    f"expected {size} by sizes="
                )
    return {**{k: v for k, v in attributes.items() if type(v) is int}, **sizes}


def resolve(
    declared: Declaration, array: Array, sizes: Mapping[str, int], dtypes: Sequence[np.dtype]
) -> Shaped:
    """Shape and dtype of an array of the operator in one call."""
    missing = [dim for dim in array.dims if isinstance(dim, str) and dim not in sizes]
    if missing:
        raise ValueError(
            f"operator {declared.name!r}: nothing says how large the dimension {missing[0]!r} of "
            f"{array.name!r} is; an input, an int attribute or sizes= should"
        )
    # Sizes are symbols, not ints, where JAX exports for any size.
    shape: list[Any] = [sizes[dim] if isinstance(dim, str) else dim for dim in array.dims]
    if any(isinstance(n, int) and n < 0 for n in shape):
        raise ValueError(f"operator {declared.name!r}: {array.name!r} would have the shape {shape}")
    return jax.ShapeDtypeStruct(tuple(shape), resolve_dtype(declared, array, dtypes))


def resolve_dtype(declared: Declaration, array: Array, dtypes: Sequence[np.dtype]) -> np.dtype:
    """The dtype of an array of the operator in one call."""
    if isinstance(array.dtype, OneOf):
        return dtypes[declared.variables.index(array.dtype)]
    return array.dtype


def _is_number(x: Any) -> bool:
    # By type: numpy's float64 is a float, and has a dtype.
    return type(x) in (bool, int, float, complex)


def _as_array(where: str, array: Array, x: Any) -> jax.Array:
    if not isinstance(x, jax.Array):
        if not isinstance(x, np.ndarray | np.generic):
            raise TypeError(
                f"{where}: input {array.name!r} is a {type(x).__name__}; expected an array, {array}"
            )
        # The device has what JAX makes of it: float32 while 64-bit mode is off.
        x = jnp.asarray(x)
    allowed = array.dtype.dtypes if isinstance(array.dtype, OneOf) else (array.dtype,)
    if x.dtype not in allowed:
        raise TypeError(
            f"{where}: input {array.name!r} is {x.dtype}; expected {array}; nothing is cast "
            f"silently: use .astype({' or '.join(d.name for d in allowed)})"
        )
    return x


def _chosen(where: str, pairs: Sequence[tuple[Array, Any]]) -> dict[OneOf, tuple[np.dtype, str]]:
    """The dtype of each OneOf, and the input that it was read from."""
    found: dict[OneOf, tuple[np.dtype, str]] = {}
    for array, x in pairs:
        if isinstance(array.dtype, OneOf):
            dtype, name = found.setdefault(array.dtype, (np.dtype(x.dtype), array.name))
            if x.dtype != dtype:
                raise TypeError(
                    f"{where}: input {array.name!r} is {x.dtype} and {name!r} is {dtype}; expected "
                    "the same dtype for both: cast one with .astype"
                )
    return found


def _number_as_array(
    where: str, array: Array, x: Any, chosen: Mapping[OneOf, tuple[np.dtype, str]]
) -> jax.Array:
    dtype = array.dtype
    if isinstance(dtype, OneOf):
        if dtype not in chosen:
            raise TypeError(
                f"{where}: input {array.name!r} is the number {x!r}, and no array says whether it "
                f"is {dtype}; use jnp.asarray(..., dtype)"
            )
        dtype = chosen[dtype][0]
    # A number is taken where its kind can hold: 1 as float32, but not 1.5 as int32.
    ranks = [bool, int, float, complex]
    kinds = [jnp.bool_, jnp.integer, jnp.floating, jnp.complexfloating]
    held = next(i for i, kind in enumerate(kinds) if jnp.issubdtype(dtype, kind))
    if ranks.index(type(x)) > held or (held > 0 and isinstance(x, bool)):
        raise TypeError(f"{where}: input {array.name!r} is the number {x!r}; expected {array}")
    return jnp.asarray(x, dtype)


def _attribute(where: str, name: str, kind: AttributeType, value: Any) -> Any:
    # bool is an int to Python, and True a strange number of steps.
    number = not isinstance(value, bool | np.bool_)
    if kind is int and number and isinstance(value, int | np.integer):
        return int(value)
    if kind is float and number and isinstance(value, float | int | np.floating | np.integer):
        return float(value)
    if kind is bool and not number:
        return bool(value)
    if kind is str and isinstance(value, str):
        return value
    raise TypeError(
        f"{where}: attribute {name!r} must be a Python {kind.__name__}, got {value!r}; an "
        "attribute is part of the compiled program: what varies belongs into an input"
    )
