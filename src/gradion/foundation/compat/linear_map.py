"""A linear map given by two programs, each the other's transpose.

`jax.custom_derivatives.linear_call` has the same meaning but no batching rule, so that neither
`jax.jacfwd` nor `jax.vmap` can be taken through it. This primitive adds one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir

__all__ = ["linear_map"]

# A program over flat lists: residuals, then linear arguments.
_Program = Callable[[Sequence[Any], Sequence[Any]], list[Any]]

_linear_map_p = Primitive("gradion_linear_map")
_linear_map_p.multiple_results = True


def linear_map(
    forward: Callable[[Any, Any], Any],
    transpose: Callable[[Any, Any], Any],
    residuals: Any,
    tangents: Any,
) -> Any:
    """Apply `forward(residuals, tangents)`, linear in `tangents`, with its transpose given.

    `transpose(residuals, cotangents)` takes cotangents shaped as the outputs and returns
    cotangents shaped as `tangents`. Neither program may close over traced arrays: all that they
    need goes into `residuals`. Forward mode and `jax.vmap` run `forward`, reverse mode runs
    `transpose`. Differentiating with respect to `residuals` raises `TypeError`: the map carries
    a first derivative and has no rule for a second one.
    """
    flat_residuals, residuals_tree = jax.tree.flatten(residuals)
    flat_tangents = jax.tree.leaves(tangents)
    # Traced once: the batching, transposition and lowering rules evaluate the jaxpr, which is
    # many times cheaper than running the Python program again.
    jaxpr, outputs = jax.make_jaxpr(forward, return_shape=True)(residuals, tangents)
    output_tree = jax.tree.structure(outputs)
    evaluate = jaxpr_as_fun(jaxpr)

    def flat_forward(residual_leaves: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        return evaluate(*residual_leaves, *leaves)

    def flat_transpose(residual_leaves: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        out = transpose(
            jax.tree.unflatten(residuals_tree, residual_leaves),
            jax.tree.unflatten(output_tree, leaves),
        )
        return jax.tree.leaves(out)

    flat_out = _linear_map_p.bind(
        *flat_residuals,
        *flat_tangents,
        forward=flat_forward,
        transpose=flat_transpose,
        n_residuals=len(flat_residuals),
        outputs=tuple((o.shape, o.dtype) for o in jax.tree.leaves(outputs)),
    )
    return jax.tree.unflatten(output_tree, flat_out)


def _run(*args: Any, forward: _Program, n_residuals: int, **_: Any) -> list[Any]:
    return forward(list(args[:n_residuals]), list(args[n_residuals:]))


def _abstract(*_avals: Any, outputs: tuple[Any, ...], **_: Any) -> list[Any]:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in outputs]


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, n_residuals: int, **params: Any
) -> tuple[Any, Any]:
    if any(type(t) is not ad.Zero for t in tangents[:n_residuals]):
        raise TypeError(
            "a time integration was differentiated twice: its derivative rule is of first order; "
            "take the second derivative by differences of the exact first one"
        )
    params["n_residuals"] = n_residuals
    out = _linear_map_p.bind(*primals, **params)
    linear = [ad.instantiate_zeros(t) for t in tangents[n_residuals:]]
    return out, _linear_map_p.bind(*primals[:n_residuals], *linear, **params)


def _transpose(
    cotangents: Sequence[Any],
    *args: Any,
    forward: _Program,
    transpose: _Program,
    n_residuals: int,
    outputs: tuple[Any, ...],
) -> list[Any]:
    residuals, linear = args[:n_residuals], args[n_residuals:]
    out = _linear_map_p.bind(
        *residuals,
        *[ad.instantiate_zeros(ct) for ct in cotangents],
        forward=transpose,
        transpose=forward,
        n_residuals=n_residuals,
        outputs=tuple((x.aval.shape, x.aval.dtype) for x in linear),
    )
    return [None] * n_residuals + list(out)


def _batch(
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    forward: _Program,
    transpose: _Program,
    n_residuals: int,
    outputs: tuple[Any, ...],
) -> tuple[list[Any], list[int]]:
    size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
    # Every linear argument is given the batch axis: an unbatched one would need its cotangent
    # summed over the batch, a batched one needs no special case.
    linear = [
        batching.bdim_at_front(a, d, size)
        for a, d in zip(args[n_residuals:], dims[n_residuals:], strict=True)
    ]
    in_axes = (list(dims[:n_residuals]), 0)
    out = _linear_map_p.bind(
        *args[:n_residuals],
        *linear,
        forward=jax.vmap(forward, in_axes=in_axes, axis_size=size),
        transpose=jax.vmap(transpose, in_axes=in_axes, axis_size=size),
        n_residuals=n_residuals,
        outputs=tuple(((size, *shape), dtype) for shape, dtype in outputs),
    )
    return out, [0] * len(out)


_linear_map_p.def_impl(_run)
_linear_map_p.def_abstract_eval(_abstract)
ad.primitive_jvps[_linear_map_p] = _jvp
ad.primitive_transposes[_linear_map_p] = _transpose
batching.primitive_batchers[_linear_map_p] = _batch
mlir.register_lowering(_linear_map_p, mlir.lower_fun(_run, multiple_results=True))
