"""What an operator says about one of its arrays: name, dtype, dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

__all__ = ["Array", "OneOf"]


@final
@dataclass(frozen=True, init=False)
class OneOf:
    """A dtype that is chosen at the call, the same one wherever this object stands.

    `real = OneOf(jnp.float32, jnp.float64)`, then `Array("x", real, ("n",))`: whether the call is
    in single or double precision is read off the inputs. All inputs declared by the same OneOf
    must agree. Raises ValueError without at least two different dtypes.
    """

    dtypes: tuple[np.dtype, ...]

    def __init__(self, *dtypes: DTypeLike) -> None:
        found = tuple(np.dtype(dtype) for dtype in dtypes)
        if len(found) < 2 or len(set(found)) < len(found):
            names = ", ".join(map(str, found))
            raise ValueError(f"OneOf({names}): expected two or more different dtypes")
        object.__setattr__(self, "dtypes", found)

    def __str__(self) -> str:
        """Return the dtypes in words."""
        return " or ".join(map(str, self.dtypes))


@final
@dataclass(frozen=True, init=False)
class Array:
    """One input, output or residual of an operator.

    `dims` has an entry for each axis: a number is fixed, a name is bound at the call and stands
    for the same size wherever it occurs in the operator. `dtype` is a dtype or a `OneOf`.
    `differentiable` is True for floating and complex dtypes unless False is given: then the array
    counts as a constant in all derivatives, as under `jax.lax.stop_gradient`. Raises ValueError
    or TypeError for a name that is no identifier, a negative size, or an integer array that is
    declared differentiable.
    """

    name: str
    dtype: np.dtype | OneOf
    dims: tuple[int | str, ...]
    differentiable: bool

    def __init__(
        self,
        name: str,
        dtype: DTypeLike | OneOf,
        dims: tuple[int | str, ...] = (),
        *,
        differentiable: bool | None = None,
    ) -> None:
        _check_name(name)
        held = dtype if isinstance(dtype, OneOf) else np.dtype(dtype)
        if not isinstance(dims, tuple):
            raise TypeError(f'Array {name!r}: dims must be a tuple such as ("n", 3), got {dims!r}')
        for dim in dims:
            _check_dim(name, dim)
        alternatives = held.dtypes if isinstance(held, OneOf) else (held,)
        smooth = all(jnp.issubdtype(d, jnp.inexact) for d in alternatives)
        if differentiable and not smooth:
            raise ValueError(
                f"Array {name!r} of {held} cannot be differentiable: only floating and complex "
                "arrays are"
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "dtype", held)
        object.__setattr__(self, "dims", dims)
        object.__setattr__(
            self, "differentiable", smooth if differentiable is None else differentiable
        )

    def __str__(self) -> str:
        """Return the declaration in words: `float32 values[n, 3]`."""
        return f"{self.dtype} {self.name}[{', '.join(map(str, self.dims))}]"


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"Array: the name must be an identifier, got {name!r}")


def _check_dim(name: str, dim: object) -> None:
    if isinstance(dim, bool) or not isinstance(dim, int | str):
        raise TypeError(f"Array {name!r}: a dimension is a number or a name, got {dim!r}")
    if isinstance(dim, str) and not dim.isidentifier():
        raise ValueError(f"Array {name!r}: the dimension {dim!r} is not an identifier")
    if isinstance(dim, int) and dim < 0:
        raise ValueError(f"Array {name!r}: the dimension {dim} is negative")
