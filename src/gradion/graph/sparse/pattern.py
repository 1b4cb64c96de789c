"""Where a sparse matrix has entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["SparsePattern"]


@final
@dataclass(frozen=True, eq=False)
class SparsePattern:
    """Compressed sparse rows, as SciPy's `csr_array` has them.

    The entries of row i are number `indptr[i]` to `indptr[i + 1]`; `indices` has their columns, in
    ascending order within a row, each once. `scipy.sparse.csr_array((values, p.indices, p.indptr),
    p.shape)` is the matrix.
    """

    shape: tuple[int, int]
    indptr: np.ndarray
    indices: np.ndarray

    @classmethod
    def of_entries(
        cls, shape: tuple[int, int], rows: np.ndarray, columns: np.ndarray
    ) -> SparsePattern:
        """The pattern of entries that are sorted by row, then by column, and differ."""
        indptr = np.zeros(shape[0] + 1, np.int32)
        np.cumsum(np.bincount(rows, minlength=shape[0]), out=indptr[1:])
        return cls(shape, indptr, columns.astype(np.int32))

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.indices)

    @property
    def rows(self) -> np.ndarray:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self.indptr))

    def dense(self, values: jax.Array) -> jax.Array:
        """The whole matrix, for values of the entries in order."""
        return jnp.zeros(self.shape, values.dtype).at[self.rows, self.indices].set(values)
