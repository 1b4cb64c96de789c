"""The same program made of an operator and of its reference, to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.extension.arguments import bind_dtypes
from gradion.extension.declaration import Declaration
from gradion.extension.operator import Operator
from gradion.extension.reference_program import call_reference

__all__ = [
    "Call",
    "by_operator",
    "by_reference",
    "directions",
    "jvp_program",
    "same_bits",
    "second_jvp_program",
    "second_vjp_program",
    "vjp_program",
    "worst_error",
]

# All inputs to all outputs.
Call = Callable[[Sequence[jax.Array]], list[jax.Array]]
_Arrays = Sequence[jax.Array]


def by_operator(operator: Operator, attributes: Mapping[str, Any]) -> Call:
    """The operator, returning a list."""

    def call(inputs: _Arrays) -> list[jax.Array]:
        found = operator(*inputs, **attributes)
        return list(found) if isinstance(found, tuple) else [found]

    return call


def by_reference(declared: Declaration, attributes: Mapping[str, Any]) -> Call:
    """The reference, with the declared constants held constant."""

    def call(inputs: _Arrays) -> list[jax.Array]:
        dtypes = bind_dtypes(declared, [x.dtype for x in inputs])
        return call_reference(declared, inputs, attributes, dtypes)

    return call


def _smooth(declared: Declaration, call: Call, inputs: _Arrays) -> Callable[..., list[jax.Array]]:
    def function(*varied: jax.Array) -> list[jax.Array]:
        in_order = iter(varied)
        outputs = call(
            [
                next(in_order) if array.differentiable else x
                for array, x in zip(declared.inputs, inputs, strict=True)
            ]
        )
        return [
            y for array, y in zip(declared.outputs, outputs, strict=True) if array.differentiable
        ]

    return function


def _at(declared: Declaration, inputs: _Arrays) -> tuple[jax.Array, ...]:
    return tuple(x for a, x in zip(declared.inputs, inputs, strict=True) if a.differentiable)


def jvp_program(declared: Declaration, call: Call) -> Callable[..., list[jax.Array]]:
    """(inputs, tangents) to the tangents of the outputs."""

    def program(inputs: _Arrays, t: _Arrays) -> list[jax.Array]:
        return jax.jvp(_smooth(declared, call, inputs), _at(declared, inputs), tuple(t))[1]

    return program


def vjp_program(declared: Declaration, call: Call) -> Callable[..., list[jax.Array]]:
    """(inputs, cotangents) to the cotangents of the inputs."""

    def program(inputs: _Arrays, w: _Arrays) -> list[jax.Array]:
        pull = jax.vjp(_smooth(declared, call, inputs), *_at(declared, inputs))[1]
        return list(pull(list(w)))

    return program


def second_jvp_program(declared: Declaration, call: Call) -> Callable[..., list[jax.Array]]:
    """(inputs, tangents) to H[t, t]."""

    def program(inputs: _Arrays, t: _Arrays) -> list[jax.Array]:
        smooth = _smooth(declared, call, inputs)
        at = _at(declared, inputs)
        return jax.jvp(lambda *x: jax.jvp(smooth, x, tuple(t))[1], at, tuple(t))[1]

    return program


def second_vjp_program(declared: Declaration, call: Call) -> Callable[..., list[jax.Array]]:
    """(inputs, tangents, cotangents) to H[t, .]^T w."""

    def program(inputs: _Arrays, t: _Arrays, w: _Arrays) -> list[jax.Array]:
        smooth = _smooth(declared, call, inputs)
        at = _at(declared, inputs)
        return list(jax.jvp(lambda *x: jax.vjp(smooth, *x)[1](list(w)), at, tuple(t))[1])

    return program


def directions(like: Sequence[Any], generator: np.random.Generator) -> list[jax.Array]:
    """A random direction for each array, of its shape and dtype."""
    found = []
    for x in like:
        values = generator.standard_normal(x.shape)
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            values = values + 1j * generator.standard_normal(x.shape)
        found.append(jnp.asarray(values, x.dtype))
    return found


def worst_error(found: _Arrays, expected: _Arrays) -> float:
    """The largest difference, relative to the value itself and the mean size of its array.

    Infinite where shapes, dtypes, integers or the places of NaN and infinity differ.
    """
    worst = 0.0
    for x, y in zip(found, expected, strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            return np.inf
        if x.size == 0:
            continue
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            if not bool((x == y).all()):
                return np.inf
            continue
        wide = np.complex128 if jnp.issubdtype(x.dtype, jnp.complexfloating) else np.float64
        a, b = np.asarray(x).astype(wide), np.asarray(y).astype(wide)
        finite = np.isfinite(b)
        if not np.array_equal(np.isfinite(a), finite):
            return np.inf
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
            return np.inf
        size = np.abs(b[finite])
        if size.size:
            scale = size + size.mean()
            difference = np.abs(a[finite] - b[finite])
            # Both zero is no error; a number where zero is expected is one.
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(difference == 0, 0.0, difference / scale)
            worst = max(worst, float(ratio.max()))
    return worst


def same_bits(found: _Arrays, expected: _Arrays) -> bool:
    """Whether all arrays agree to the last bit, NaN and the sign of zero included."""
    return all(
        np.asarray(x).tobytes() == np.asarray(y).tobytes()
        for x, y in zip(found, expected, strict=True)
    )
