"""Structured matrices against dense linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.numerics.linear import AbstractStructure, BorderedTridiagonal, Dense


def _matrix(n: int, border: int) -> np.ndarray:
    rng = np.random.default_rng(n + border)
    full = rng.normal(size=(n, n))
    keep = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 1
    keep[n - border :] = True
    keep[:, n - border :] = True
    return np.where(keep, full, 0.0) + 6.0 * np.eye(n)


CASES = [
    (Dense(), 7, 7),
    (BorderedTridiagonal(), 1, 0),
    (BorderedTridiagonal(), 11, 0),
    (BorderedTridiagonal(border=1), 12, 1),
    (BorderedTridiagonal(border=2), 9, 2),
]


@pytest.mark.parametrize(("structure", "n", "border"), CASES)
def test_solves_transposes_and_batches(structure: AbstractStructure, n: int, border: int) -> None:
    a = _matrix(n, border)
    rhs = jnp.asarray(np.random.default_rng(1).normal(size=(3, n)))
    factors = structure.factorise(structure.matrix(lambda x: jnp.asarray(a) @ x, rhs[0]))

    def solve(b: jax.Array) -> jax.Array:
        return structure.solve(factors, b)

    # Condition numbers are below 100: round-off leaves 13 digits.
    np.testing.assert_allclose(jax.vmap(solve)(rhs), np.linalg.solve(a, rhs.T).T, rtol=1e-12)
    transposed = jax.linear_transpose(solve, rhs[0])(rhs[0])[0]
    np.testing.assert_allclose(transposed, np.linalg.solve(a.T, rhs[0]), rtol=1e-12)


def test_batch_of_right_hand_sides_shares_the_factors() -> None:
    structure = BorderedTridiagonal(border=1)
    a = jnp.asarray(_matrix(8, 1))
    factors = structure.factorise(structure.matrix(lambda x: a @ x, a[0]))
    jaxpr = jax.make_jaxpr(jax.vmap(lambda b: structure.solve(factors, b)))(jnp.ones((5, 8)))
    solves = [e for e in jaxpr.eqns if e.primitive.name == "tridiagonal_solve"]
    assert len(solves) == 1
    assert solves[0].outvars[0].aval.shape == (7, 5)
