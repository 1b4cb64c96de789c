"""The checks fail where they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.testing import assert_adjoint, assert_gradient, assert_order

H = 0.1 * 0.5 ** np.arange(5)


def test_order_is_two_sided() -> None:
    assert_order(H, 3.0 * H**2, 2)
    for wrong in (1.7, 2.3):
        with pytest.raises(AssertionError, match="expected order 2"):
            assert_order(H, 3.0 * H**wrong, 2)
    with pytest.raises(ValueError, match="at least 3"):
        assert_order(H[:2], H[:2], 1)


@jax.custom_jvp
def _slightly_wrong(x: jax.Array) -> jax.Array:
    return jnp.sin(x)


@_slightly_wrong.defjvp
def _rule(primals: tuple, tangents: tuple) -> tuple:
    (x,), (dx,) = primals, tangents
    return jnp.sin(x), 1.001 * jnp.cos(x) * dx


def test_gradient_wrong_by_a_thousandth_is_found() -> None:
    at, direction = jnp.array([0.3, 1.0]), jnp.array([1.0, -0.5])
    assert_gradient(jnp.sin, at, direction)
    assert_gradient(lambda x: 3.0 * x, at, direction)
    with pytest.raises(AssertionError, match="Taylor remainder"):
        assert_gradient(_slightly_wrong, at, direction)


def test_adjoint_that_is_no_transpose_is_found() -> None:
    @jax.custom_vjp
    def twice(x: jax.Array) -> jax.Array:
        return 2.0 * x

    def sheared(x: jax.Array) -> jax.Array:
        return jnp.stack([x[0] + 1e-6 * x[1], x[1]])

    assert_adjoint(sheared, jnp.array([1.0, 2.0]), jax.random.key(0))
    twice.defvjp(lambda x: (2.0 * x, None), lambda _, g: (2.001 * g,))
    with pytest.raises((AssertionError, TypeError)):
        assert_adjoint(twice, jnp.array([1.0, 2.0]), jax.random.key(0))
