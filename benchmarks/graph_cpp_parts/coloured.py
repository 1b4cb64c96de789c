"""A sparse Jacobian as one has it without structure: columns that share no row go together."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph.sparse import SparsePattern

__all__ = ["coloured_jacobian"]


def coloured_jacobian(
    function: Callable[..., jax.Array], pattern: SparsePattern
) -> tuple[Callable[..., jax.Array], int]:
    """The entries' values of function(y, current) by y, a tangent a colour; how many colours."""
    colours = _greedy(pattern)
    n_colours = int(colours.max()) + 1
    seeds = jnp.asarray(np.eye(n_colours)[:, colours])
    which, rows = colours[pattern.indices], pattern.rows

    def values(y: jax.Array, current: jax.Array) -> jax.Array:
        def push(seed: jax.Array) -> jax.Array:
            return jax.jvp(lambda x: function(x, current), (y,), (seed,))[1]

        return jax.vmap(push)(seeds)[which, rows]

    return values, n_colours


def _greedy(pattern: SparsePattern) -> np.ndarray:
    """The first colour that no column sharing a row has, column by column, the fullest first."""
    n_rows, n_columns = pattern.shape
    rows_of: list[list[int]] = [[] for _ in range(n_columns)]
    for row, column in zip(pattern.rows, pattern.indices, strict=True):
        rows_of[column].append(int(row))
    taken: list[set[int]] = [set() for _ in range(n_rows)]
    colours = np.zeros(n_columns, np.int64)
    for column in sorted(range(n_columns), key=lambda c: -len(rows_of[c])):
        used = set().union(*(taken[row] for row in rows_of[column]))
        colour = next(c for c in range(n_columns) if c not in used)
        colours[column] = colour
        for row in rows_of[column]:
            taken[row].add(colour)
    return colours
