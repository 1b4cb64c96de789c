"""The primitive for native calls: what JAX asks a node for, and how it is asked."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.compat.native_call import AbstractNativeNode, bind_node

X = jnp.arange(1.0, 4.0)


@dataclass(frozen=True)
class Scale(AbstractNativeNode):
    """y = factor * x, and a number that is not differentiable; linear, its own transpose."""

    factor: float
    linear: bool = False

    @property
    def label(self):
        return "scale"

    def results(self, arguments):
        y = jax.ShapeDtypeStruct(arguments[0].shape, arguments[0].dtype)
        return [y] if self.linear else [y, jax.ShapeDtypeStruct((), jnp.int32)]

    def program(self, platform):
        if self.factor == 0:
            raise TypeError(f"no program for {platform}")
        if self.linear:
            return lambda x: [self.factor * x]
        return lambda x: [self.factor * x, jnp.int32(7)]

    def derivative(self, arguments, tangents):
        pushed = bind_node(Scale(self.factor, linear=True), *tangents)
        out = bind_node(self, *arguments)
        return out, [*pushed, *[None] * (len(out) - 1)]

    def transposed(self, cotangents, arguments, shapes):
        assert arguments == [None]
        assert shapes[0].shape == cotangents[0].shape
        return bind_node(self, *cotangents)

    def batched(self, arguments, axes, size):
        return bind_node(self, *arguments), [axes[0], *([] if self.linear else [None])]


def call(x, factor=3.0):
    return bind_node(Scale(factor), x)


@pytest.mark.parametrize("transform", [jax.jit, lambda function: function])
def test_the_program_runs(transform):
    y, number = transform(call)(X)
    np.testing.assert_array_equal(y, 3 * X)
    assert number == 7


def test_both_modes_use_the_rules_of_the_node():
    pushed = jax.jvp(lambda x: call(x)[0], (X,), (jnp.cos(X),))[1]
    np.testing.assert_allclose(pushed, 3 * jnp.cos(X))
    np.testing.assert_allclose(jax.grad(lambda x: (call(x)[0] ** 2).sum())(X), 18 * X)


def test_an_unused_result_has_no_cotangent():
    assert float(jax.grad(lambda x: jnp.float64(call(x)[1]))(X).sum()) == 0.0


def test_an_axis_may_stay_where_it_is():
    x = jnp.arange(6.0).reshape(3, 2)
    y, number = jax.vmap(lambda x: tuple(call(x)), in_axes=1, out_axes=(1, None))(x)
    np.testing.assert_array_equal(y, 3 * x)
    assert number.shape == ()


def test_a_missing_program_raises_eagerly_and_when_compiled():
    for transform in (jax.jit, lambda function: function):
        with pytest.raises(TypeError, match="no program for cpu"):
            transform(lambda x: call(x, 0.0))(X)


def test_disable_jit_still_compiles_the_program():
    with jax.disable_jit():
        np.testing.assert_array_equal(call(X)[0], 3 * X)
