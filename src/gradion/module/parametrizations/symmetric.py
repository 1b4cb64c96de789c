"""Symmetric matrices."""

from __future__ import annotations

import math
from typing import final

import jax
import numpy as np

from gradion.foundation.errors import InputError
from gradion.module.meta import ParameterMeta
from gradion.module.parametrizations.parametrization import AbstractParametrization

__all__ = ["Symmetric"]


@final
class Symmetric(AbstractParametrization):
    """A symmetric matrix from the entries of its upper triangle, row by row.

    The original has shape (..., n (n + 1) / 2) for a value of shape (..., n, n), and unit, bounds
    and prior of the value. It has no entry without effect, which a fit could not determine. Of a
    matrix that is registered or assigned the lower triangle is not read.
    """

    def forward(self, *originals: jax.Array) -> jax.Array:
        (packed,) = originals
        n = (math.isqrt(8 * packed.shape[-1] + 1) - 1) // 2
        rows, columns = np.triu_indices(n)
        # Entry (i, j) of the matrix, in both triangles, is number place[i, j] of the packed ones.
        place = np.zeros((n, n), dtype=int)
        place[rows, columns] = place[columns, rows] = np.arange(rows.size)
        return packed[..., place]

    def right_inverse(self, value: jax.Array) -> jax.Array:
        """The upper triangle; InputError for what is no square matrix."""
        if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
            raise InputError(f"Symmetric: got shape {value.shape}, expected (..., n, n)")
        rows, columns = np.triu_indices(value.shape[-1])
        return value[..., rows, columns]

    def original_meta(self, meta: ParameterMeta) -> ParameterMeta:
        """All that is known of the value."""
        return meta
