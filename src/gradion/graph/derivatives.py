"""Graphs of the derivatives of a function: both are captured, as the function is.

JAX differentiates the function itself, not its graph, so that derivative rules of the user's own
count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradion.graph.capture import capture_flat
from gradion.graph.graph import Graph

__all__ = ["pullback", "pushforward", "smooth"]

_Flat = Callable[..., Sequence[Any]]


def smooth(arrays: Sequence[Any]) -> list[int]:
    """The positions of the arrays that have derivatives: the floating ones."""
    return [i for i, x in enumerate(arrays) if jnp.issubdtype(x.dtype, jnp.floating)]


def pushforward(function: _Flat, examples: Sequence[Any], names: Sequence[str]) -> Graph:
    """The Jacobian-vector product of a function of flat arrays.

    Inputs: those of the function, then a tangent for each floating one, called `d_<name>`;
    outputs: a tangent for each floating result.
    """
    places = smooth(examples)

    def pushed(*arrays: Any) -> list[Any]:
        inputs, tangents = arrays[: len(examples)], arrays[len(examples) :]
        partial, points = _of_smooth(function, inputs, places)
        return list(jax.jvp(partial, points, tuple(tangents))[1])

    tangents = [examples[i] for i in places]
    return capture_flat(
        pushed, [*examples, *tangents], [*names, *(f"d_{names[i]}" for i in places)]
    )


def pullback(
    function: _Flat, examples: Sequence[Any], names: Sequence[str], results: Sequence[str]
) -> Graph:
    """The vector-Jacobian product of a function of flat arrays.

    Inputs: those of the function, then a cotangent for each floating result, called `w_<result>`,
    where `results` names all results; outputs: a cotangent for each floating input.
    """
    places = smooth(examples)
    shapes = list(jax.eval_shape(function, *examples))
    kept = smooth(shapes)

    def pulled(*arrays: Any) -> list[Any]:
        inputs, cotangents = arrays[: len(examples)], arrays[len(examples) :]
        partial, points = _of_smooth(function, inputs, places)
        return list(jax.vjp(partial, *points)[1](tuple(cotangents)))

    cotangents = [jax.ShapeDtypeStruct(shapes[i].shape, shapes[i].dtype) for i in kept]
    return capture_flat(
        pulled, [*examples, *cotangents], [*names, *(f"w_{results[i]}" for i in kept)]
    )


def _of_smooth(
    function: _Flat, inputs: Sequence[Any], places: Sequence[int]
) -> tuple[Callable[..., tuple[Any, ...]], tuple[Any, ...]]:
    """The floating results as a function of the floating inputs, and the point."""

    def partial(*given: Any) -> tuple[Any, ...]:
        arrays = list(inputs)
        for place, x in zip(places, given, strict=True):
            arrays[place] = x
        results = [jnp.asarray(y) for y in function(*arrays)]
        return tuple(results[i] for i in smooth(results))

    return partial, tuple(inputs[i] for i in places)
