"""Agreement of forward and reverse mode."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

__all__ = ["assert_adjoint"]


def assert_adjoint(
    function: Callable[[Any], Array],
    at: Any,
    key: Array,
    *,
    rtol: float = 1e-11,
) -> None:
    """Fail unless <w, J v> = <J^T w, v> for random v and w, J by jvp and J^T by vjp.

    `at` is a pytree of arrays. The two numbers may differ by `rtol` of the sum of the absolute
    terms, which is what round-off scales with. Raises AssertionError.
    """
    leaves, tree = jax.tree.flatten(at)
    keys = jax.random.split(key, len(leaves) + 1)
    # Directions in proportion to the values, so that no parameter drowns the others.
    tangents = jax.tree.unflatten(
        tree,
        [
            (jnp.abs(x) + (x == 0)) * jax.random.normal(k, x.shape)
            for x, k in zip(leaves, keys, strict=False)
        ],
    )
    out, pushed = jax.jvp(function, (at,), (tangents,))
    w = jax.random.normal(keys[-1], out.shape) * jnp.isfinite(out)
    pulled = jax.vjp(function, at)[1](w)[0]
    forward = np.asarray(jnp.where(jnp.isfinite(out), pushed, 0.0) * w)
    reverse = np.concatenate(
        [
            np.ravel(x * y)
            for x, y in zip(jax.tree.leaves(pulled), jax.tree.leaves(tangents), strict=True)
        ]
    )
    scale = np.abs(forward).sum() + np.abs(reverse).sum()
    difference = abs(forward.sum() - reverse.sum())
    if not difference <= rtol * scale:
        raise AssertionError(
            f"<w, J v> = {forward.sum():.17g}, <J^T w, v> = {reverse.sum():.17g}: they differ by "
            f"{difference / scale:.2e} of their terms, at most {rtol:.1e} expected"
        )
