"""gradion.vmap: one Module for all, or a stack of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion import Buffer, Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import TransformError

from ..transform_models import Counter


class Tally(Module):
    """Counts its calls; the buffer `calls` does not depend on the argument."""

    def __init__(self, a=2.0):
        super().__init__()
        self.a = Parameter(a)
        self.calls = Buffer(jnp.asarray(0))

    def forward(self, x):
        self.calls = self.calls + 1
        return self.a * x


def stack(values):
    return jax.vmap(Tally)(jnp.asarray(values))


def test_one_module_for_all():
    module = Tally()
    out = gradion.vmap(lambda m, x: m(x), in_axes=(None, 0))(module, jnp.arange(3.0))
    np.testing.assert_array_equal(out, [0.0, 2.0, 4.0])
    assert module.calls == 1


def test_what_differs_along_the_axis_cannot_be_kept_in_one_module():
    module = Counter()
    with pytest.raises(TransformError, match=r"differ along the mapped axis.*last"):
        gradion.vmap(lambda m, x: m(x), in_axes=(None, 0))(module, jnp.arange(3.0))
    assert module.calls == 0


def test_a_stack_of_modules():
    modules = stack([1.0, 2.0, 3.0])
    out = gradion.vmap(lambda m, x: m(x))(modules, jnp.asarray([1.0, 1.0, 2.0]))
    np.testing.assert_array_equal(out, [1.0, 2.0, 6.0])
    np.testing.assert_array_equal(modules.calls, [1, 1, 1])
    out = gradion.vmap(lambda m, x: m(x), in_axes=(0, None), out_axes=1)(modules, jnp.ones(2))
    assert out.shape == (2, 3)
    np.testing.assert_array_equal(modules.calls, [2, 2, 2])


def test_a_stack_along_another_axis():
    class Weights(Module):
        def __init__(self):
            super().__init__()
            self.w = Parameter(jnp.arange(6.0).reshape(2, 3))

    module = Weights()

    def double(m):
        m.get_parameter("w").value = 2.0 * m.w
        return jnp.sum(m.w)

    out = gradion.vmap(double, in_axes=1)(module)
    np.testing.assert_array_equal(out, [6.0, 10.0, 14.0])
    np.testing.assert_array_equal(module.w, 2.0 * np.arange(6.0).reshape(2, 3))


def test_a_stack_and_a_single_one():
    modules, one = stack([1.0, 2.0]), Tally(10.0)
    out = gradion.vmap(lambda a, b, x: a(b(x)), in_axes=(0, None, None))(modules, one, 1.0)
    np.testing.assert_array_equal(out, [10.0, 20.0])
    np.testing.assert_array_equal(modules.calls, [1, 1])
    assert one.calls == 1


def test_modules_in_containers_and_keywords():
    modules = stack([1.0, 2.0])
    out = gradion.vmap(lambda args: args["m"](args["x"]), in_axes=({"m": 0, "x": None},))(
        {"m": modules, "x": 3.0}
    )
    np.testing.assert_array_equal(out, [3.0, 6.0])
    out = gradion.vmap(lambda x, m: m(x))(jnp.ones(2), m=modules)
    np.testing.assert_array_equal(out, [1.0, 2.0])
    np.testing.assert_array_equal(modules.calls, [2, 2])


def test_a_module_as_function():
    module = Tally()
    np.testing.assert_array_equal(gradion.vmap(module)(jnp.arange(2.0)), [0.0, 2.0])
    np.testing.assert_array_equal(gradion.vmap(module.forward, in_axes=(0,))(jnp.ones(2)), [2, 2])
    assert module.calls == 2


def test_gradients_of_an_ensemble():
    modules = stack([1.0, 2.0])
    gradient = gradion.vmap(gradion.grad(lambda m, x: m(x) ** 2), in_axes=(0, None))(modules, 3.0)
    np.testing.assert_array_equal(gradient["a"], [18.0, 36.0])
    np.testing.assert_array_equal(modules.calls, [1, 1])


def test_under_jit():
    modules = stack([1.0, 2.0])
    step = gradion.jit(gradion.vmap(lambda m, x: m(x), in_axes=(0, None)))
    np.testing.assert_array_equal(step(modules, 3.0), [3.0, 6.0])
    np.testing.assert_array_equal(step(modules, 3.0), [3.0, 6.0])
    np.testing.assert_array_equal(modules.calls, [2, 2])


def test_a_module_comes_back_as_itself():
    module = Tally()
    _, same = gradion.vmap(lambda m, x: (m(x), m), in_axes=(None, 0))(module, jnp.ones(2))
    assert same is module


def test_wrong_use():
    module = Tally()
    with pytest.raises(InputError, match="in_axes has 1 entries for 2 arguments"):
        gradion.vmap(lambda m, x: m(x), in_axes=(0,))(module, 1.0)
    with pytest.raises(InputError, match="two axes"):
        gradion.vmap(lambda a, b: None, in_axes=(None, 0), axis_size=2)(module, module)
    with pytest.raises(TransformError, match="structure"):
        gradion.vmap(lambda m, x: setattr(m, "note", 1), in_axes=(None, 0))(module, jnp.ones(2))
    assert not hasattr(module, "note")
    # What is no fault of ours says what JAX says.
    with pytest.raises(ValueError, match="inconsistent sizes"):
        gradion.vmap(lambda m, x, y: x, in_axes=(None, 0, 0))(module, jnp.ones(2), jnp.ones(3))
