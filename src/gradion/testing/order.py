"""Observed order of convergence."""

from collections.abc import Sequence

import numpy as np

__all__ = ["assert_order"]


def assert_order(
    sizes: Sequence[float],
    errors: Sequence[float],
    order: float,
    *,
    within: float = 0.15,
    levels: int = 3,
) -> None:
    """Fail unless errors fall as size^order, neither slower nor faster, on the finest levels.

    `sizes` are step or mesh widths, decreasing; `errors` belong to them. The slope between each
    two of the `levels` finest must lie within `order` +- `within`: an order above the expected one
    is as suspicious as one below. Raises AssertionError with the table, ValueError if there are
    too few levels.
    """
    h, e = np.asarray(sizes, float), np.asarray(errors, float)
    if h.size != e.size or h.size < levels or levels < 3:
        raise ValueError(f"expected at least {max(levels, 3)} sizes and as many errors")
    observed = np.diff(np.log(e)) / np.diff(np.log(h))
    finest = observed[-(levels - 1) :]
    if not np.all(np.abs(finest - order) <= within):
        rows = "\n".join(f"  {x:.3e}  {y:.3e}" for x, y in zip(h, e, strict=True))
        slopes = ", ".join(f"{x:.3f}" for x in observed)
        raise AssertionError(
            f"expected order {order} +- {within} on the finest {levels} levels, got {slopes}\n"
            f"  size       error\n{rows}"
        )
