"""The sum of rows by segment: forces of pairs into atoms, fluxes of faces into volumes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gradion.extension import Array as Declared
from gradion.extension import (
    CheckReport,
    Kernel,
    NativeTargets,
    OneOf,
    Operator,
    check_operator,
)
from gradion.numerics.kernels.segment_sum.reference import reference

__all__ = ["KERNEL", "segment_sum"]


def segment_sum(
    values: Float[Array, "n ..."], segments: Int[Array, " n"], *, n_segments: int
) -> Float[Array, "n_segments ..."]:
    """out[s] = the sum of values[i] over all i with segments[i] = s.

    `values` are float32 or float64, one row for each i, of any shape; `segments` are integers in
    any order. A row whose segment is negative or not below `n_segments` is left out, so that a
    padded list may point there. The sum is made in the dtype of the values, in an order that
    depends on the number of rows and segments alone: it is bit-equal for any number of threads.
    Linear in `values`, with derivatives in both modes. Raises TypeError for other dtypes and
    ValueError for shapes that do not fit.
    """
    values, segments = jnp.asarray(values), jnp.asarray(segments)
    if values.ndim == 0:
        raise ValueError("segment_sum: values is a number, expected an array of one row or more")
    if not jnp.issubdtype(segments.dtype, jnp.integer):
        raise TypeError(f"segment_sum: segments are {segments.dtype}, expected integers")
    if segments.dtype != jnp.int32:
        # Not cast as they are: a large one would come out as another segment.
        segments = jnp.clip(segments, -1, n_segments).astype(jnp.int32)
    row = values.shape[1:]
    flat = values.reshape(values.shape[0], int(np.prod(row)))
    return KERNEL(flat, segments, n_segments=n_segments).reshape(n_segments, *row)


def _declare(native: NativeTargets) -> Operator:
    real = OneOf(jnp.float32, jnp.float64)
    total = native.by_dtype({jnp.float32: "SegmentSum32", jnp.float64: "SegmentSum64"})
    return Operator(
        "segment_sum",
        inputs=(Declared("values", real, ("n", "width")), Declared("segments", jnp.int32, ("n",))),
        outputs=(Declared("sums", real, ("n_segments", "width")),),
        attributes={"n_segments": int},
        forward=total,
        jvp=native.by_dtype({jnp.float32: "SegmentSumJvp32", jnp.float64: "SegmentSumJvp64"}),
        vjp=native.by_dtype({jnp.float32: "SegmentSumVjp32", jnp.float64: "SegmentSumVjp64"}),
        reference=reference,
    )


def _check(operator: Operator, *, verbose: bool) -> CheckReport:
    n_segments = 50

    def make(sizes: dict[str, int]) -> tuple[jax.Array, jax.Array]:
        generator = np.random.default_rng(0)
        # Some point nowhere, as those that pad a list do.
        segments = generator.integers(-5, n_segments + 5, sizes["n"])
        values = generator.normal(size=(sizes["n"], sizes["width"]))
        return jnp.asarray(values), jnp.asarray(segments, jnp.int32)

    # The first one is spread over threads, the second is too small for that.
    examples = [make({"n": 20_001, "width": 3}), make({"n": 7, "width": 5})]
    return check_operator(
        operator, *examples, attributes={"n_segments": n_segments}, make=make, verbose=verbose
    )


KERNEL = Kernel(__file__, __name__, declare=_declare, check=_check)
