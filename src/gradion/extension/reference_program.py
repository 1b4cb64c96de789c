"""Programs made of an operator's reference: its value and its derivatives, for one example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.extension.arguments import bind_sizes, resolve
from gradion.extension.declaration import Declaration, Kind
from gradion.foundation.compat.native_call import Program

__all__ = ["call_reference", "reference_program", "smooth_reference"]


def call_reference(
    declared: Declaration,
    inputs: Sequence[jax.Array],
    attributes: Mapping[str, Any],
    dtypes: Sequence[np.dtype],
) -> list[jax.Array]:
    """The outputs by the reference; raises TypeError where they are not as declared."""
    if declared.reference is None:
        raise TypeError(f"operator {declared.name!r} has no reference")
    found = declared.reference(*inputs, **attributes)
    outputs = list(found) if isinstance(found, tuple | list) else [found]
    sizes = bind_sizes(declared, [x.shape for x in inputs], attributes)
    expected = [resolve(declared, array, sizes, dtypes) for array in declared.outputs]
    got = [jax.typeof(y) for y in outputs]
    if [(y.shape, y.dtype) for y in got] != [(y.shape, y.dtype) for y in expected]:
        raise TypeError(
            f"operator {declared.name!r}: the reference returns "
            f"{[f'{y.dtype}{list(y.shape)}' for y in got]}; expected "
            f"{[f'{y.dtype}{list(y.shape)}' for y in expected]}, as declared"
        )
    return [jnp.asarray(y) for y in outputs]


def smooth_reference(
    declared: Declaration,
    inputs: Sequence[jax.Array],
    attributes: Mapping[str, Any],
    dtypes: Sequence[np.dtype],
) -> Callable[..., list[jax.Array]]:
    """The differentiable outputs as a function of the differentiable inputs alone."""
    keep = [array.differentiable for array in declared.outputs]

    def smooth(*varied: jax.Array) -> list[jax.Array]:
        in_order = iter(varied)
        everything = [
            next(in_order) if array.differentiable else x
            for array, x in zip(declared.inputs, inputs, strict=True)
        ]
        outputs = call_reference(declared, everything, attributes, dtypes)
        return [y for y, kept in zip(outputs, keep, strict=True) if kept]

    return smooth


def reference_program(
    declared: Declaration,
    kind: Kind,
    attributes: Mapping[str, Any],
    dtypes: Sequence[np.dtype],
) -> Program:
    """What a target of `kind` would do, by the reference and JAX's own derivatives.

    Takes the arguments of the target. Residuals among them are not looked at, and those that it
    has to write are zeros: only programs of the reference get them.
    """
    n_inputs, n_point = len(declared.inputs), len(declared.inputs) + len(declared.residuals)
    n_smooth = len(declared.smooth_inputs)

    def value(*inputs: jax.Array) -> list[jax.Array]:
        outputs = call_reference(declared, inputs, attributes, dtypes)
        if kind is Kind.VALUE:
            return outputs
        sizes = bind_sizes(declared, [x.shape for x in inputs], attributes)
        extras = [resolve(declared, array, sizes, dtypes) for array in declared.extras]
        return outputs + [jnp.zeros(r.shape, r.dtype) for r in extras]

    def linear(*arguments: jax.Array) -> list[jax.Array]:
        inputs, rest = arguments[:n_inputs], arguments[n_point:]
        smooth = smooth_reference(declared, inputs, attributes, dtypes)
        at = tuple(
            x for x, array in zip(inputs, declared.inputs, strict=True) if array.differentiable
        )
        if kind is Kind.PUSH:
            return _push(smooth, at, rest)
        if kind is Kind.PULL:
            return _pull(smooth, at, rest)
        first, second = rest[:n_smooth], rest[n_smooth:]
        if kind is Kind.SECOND_PUSH:
            return _push(lambda *x: _push(smooth, x, first), at, second)
        return _push(lambda *x: _pull(smooth, x, second), at, first)

    return value if kind in (Kind.VALUE, Kind.SAVING) else linear


def _push(
    function: Callable[..., list[jax.Array]],
    at: Sequence[jax.Array],
    tangents: Sequence[jax.Array],
) -> list[jax.Array]:
    return jax.jvp(function, tuple(at), tuple(tangents))[1]


def _pull(
    function: Callable[..., list[jax.Array]],
    at: Sequence[jax.Array],
    cotangents: Sequence[jax.Array],
) -> list[jax.Array]:
    return list(jax.vjp(function, *at)[1](list(cotangents)))
