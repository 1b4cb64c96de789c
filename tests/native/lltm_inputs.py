"""Inputs of the LLTM operator."""

from __future__ import annotations

import numpy as np


def make(sizes):
    """Inputs of the operator of these sizes, with gates of order 1 on both sides of 0.

    Where gates are large the slopes 1 - tanh^2 cancel.
    """
    rng = np.random.default_rng(0)
    batch, columns, state = (sizes[name] for name in ("batch", "columns", "state"))
    if columns < state:
        raise ValueError("X has the state among its columns")
    shapes = [(batch, columns), (3, state, columns), (3, state), (batch, state)]
    scales = (1.0, columns**-0.5 if columns else 0.0, 1.0, 1.0)
    return [
        (scale * rng.normal(size=shape)).astype(np.float32)
        for scale, shape in zip(scales, shapes, strict=True)
    ]
