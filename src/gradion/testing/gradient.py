"""Taylor test of a gradient."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float

__all__ = ["assert_gradient"]


def assert_gradient(
    function: Callable[[Array], Array],
    at: Float[Array, " n"],
    direction: Float[Array, " n"],
    *,
    step: float = 1e-2,
    levels: int = 4,
    within: float = 0.2,
) -> None:
    """Fail unless the forward derivative leaves a Taylor remainder of second order.

    |f(x + h d) - f(x) - h f'(x) d| must fall as h^2 over `levels` halvings of `step`, two-sided; a
    function that is linear along `direction` to round-off passes too. Raises AssertionError.
    """
    value, slope = jax.jvp(function, (at,), (direction,))
    sizes = step * 0.5 ** np.arange(levels)
    remainders = np.array(
        [float(np.linalg.norm(function(at + h * direction) - value - h * slope)) for h in sizes]
    )
    floor = 1e-12 * (float(np.linalg.norm(value)) + step * float(np.linalg.norm(slope)))
    if np.all(remainders <= floor):
        return
    order = np.diff(np.log(remainders)) / np.diff(np.log(sizes))
    if not np.all(np.abs(order - 2.0) <= within):
        raise AssertionError(
            f"the Taylor remainder should fall with order 2, got {np.round(order, 3).tolist()}; "
            f"remainders {remainders.tolist()}"
        )
