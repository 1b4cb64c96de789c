"""gradion.grad, value_and_grad, backward and jvp."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import TransformError

from ..transform_models import Counter, Pair, loss

X = jnp.asarray([1.0, 2.0])


def test_gradient_by_name_of_trainable_parameters():
    module = Pair()
    value, gradient = gradion.value_and_grad(loss)(module, X)
    assert value == 36.0 * 5.0
    assert gradient == {"left.scale": 180.0, "right.scale": 120.0}
    assert list(gradient) == list(module.parameter_values())
    assert gradion.grad(loss)(module, X) == gradient


def test_integer_buffers_are_left_out_and_written():
    module = Counter()
    gradion.grad(loss)(module, X)
    assert module.calls == 1
    assert module.calls.dtype == jnp.int32
    # JAX alone refuses a Module with an integer leaf.
    with pytest.raises(TypeError, match="int"):
        jax.grad(loss)(module, X)


def test_written_values_are_values_and_no_tracers():
    module = Counter()
    gradion.grad(loss)(module, X)
    assert not isinstance(module.last, jax.core.Tracer)
    assert module.last == 6.0


def test_a_shared_parameter_has_one_gradient():
    module = Pair(share=True)
    # sum((s^2 x)^2), s = 2: the derivative is 4 s^3 sum(x^2).
    assert gradion.grad(loss)(module, X) == {"left.scale": 4.0 * 8.0 * 5.0}


def test_with_respect_to_arguments_and_modules():
    module = Counter()
    by_module, by_x = gradion.grad(loss, argnums=(0, 1))(module, X)
    assert by_module == {"scale": 20.0}
    np.testing.assert_array_equal(by_x, 8.0 * X)
    (alone,) = gradion.grad(loss, argnums=(-1,))(module, X)
    np.testing.assert_array_equal(alone, by_x)


def test_two_modules_that_share_a_parameter():
    left, right = Counter(), Counter()
    right.scale = left.get_parameter("scale")
    by_left, by_right = gradion.grad(lambda a, b: a(1.0) * b(1.0), argnums=(0, 1))(left, right)
    assert by_left == by_right == {"scale": 4.0}


def test_auxiliary_results():
    module = Counter()
    (value, aux), gradient = gradion.value_and_grad(
        lambda m, x: (m(x), {"m": m, "x": x}), has_aux=True
    )(module, 3.0)
    assert (value, aux["x"], gradient) == (6.0, 3.0, {"scale": 3.0})
    assert aux["m"] is module
    gradient, aux = gradion.grad(lambda m: (m.scale, 1), has_aux=True)(module)
    assert (gradient, aux) == ({"scale": 1.0}, 1)
    with pytest.raises(TypeError, match="expected a pair"):
        gradion.grad(lambda m: m.scale, has_aux=True)(module)


def test_a_module_and_its_methods():
    module = Counter()
    assert gradion.grad(module)(3.0) == {"scale": 3.0}
    assert gradion.grad(module.forward, argnums=1)(3.0) == 2.0


def test_bad_argnums():
    with pytest.raises(InputError, match="argnums: got 2, but the function has 2"):
        gradion.grad(loss, argnums=2)(Counter(), X)


def test_against_bare_jax():
    module = Pair()
    values = module.parameter_values()

    def pure(values, x):
        return jnp.sum((values["right.scale"] * values["left.scale"] * x) ** 2)

    expected = jax.grad(pure)(values, X)
    assert gradion.grad(loss)(module, X) == expected
    assert gradion.jit(gradion.grad(loss))(module, X) == expected


def test_second_derivative():
    module = Counter()
    second = gradion.grad(lambda m: gradion.grad(loss)(m, X)["scale"])(module)
    assert second == {"scale": 10.0}
    assert module.calls == 1


def test_backward_adds_up_until_cleared():
    module = Pair()
    left = module.left.get_parameter("scale")
    assert gradion.backward(loss, module, X) == 180.0
    assert left.grad == 180.0
    gradion.backward(loss, module, X)
    assert left.grad == 360.0
    assert module.left.get_parameter("frozen").grad is None
    module.zero_grad(set_to_none=False)
    assert left.grad == 0.0
    module.zero_grad()
    assert left.grad is None
    assert module.left.calls == 2


def test_backward_leaves_out_what_is_not_trainable():
    module = Pair()
    module.left.requires_grad_(False)
    gradion.backward(loss, module, X)
    assert [n for n, p in module.named_parameters() if p.grad is not None] == ["right.scale"]


def test_backward_with_aux_and_keywords():
    def with_aux(module, x, *, power):
        return jnp.sum(module(x) ** power), "done"

    module = Counter()
    value, aux = gradion.backward(with_aux, module, X, power=2, has_aux=True)
    assert (value, aux) == (20.0, "done")
    with pytest.raises(TypeError, match="expected a Module"):
        gradion.backward(loss, X, module)
    with pytest.raises(TypeError, match="expected the function that computes"):
        gradion.backward(loss(module, X), module)


def test_backward_inside_bare_jax_raises():
    def step(module):
        gradion.backward(lambda m: m.scale**2, module)

    with pytest.raises(TransformError, match="grad"):
        jax.jit(step)(Counter())
    module = Counter()
    with pytest.raises(TransformError, match="captured"):
        jax.jit(lambda: step(module))()
    assert module.get_parameter("scale").grad is None


def test_jvp():
    module = Pair()
    out, tangent = gradion.jvp(loss, (module, X), ({"left.scale": 1.0}, jnp.zeros(2)))
    assert (out, tangent) == (180.0, 180.0)
    out, tangent = gradion.jvp(loss, (module, X), ({}, jnp.ones(2)))
    assert tangent == 2.0 * 36.0 * 3.0
    assert module.left.calls == 2


def test_jvp_of_a_parameter_that_is_not_trainable_and_of_a_shared_one():
    module = Pair(share=True)
    _, tangent = gradion.jvp(lambda m: m(1.0), (module,), ({"left.frozen": 1.0},))
    assert tangent == 4.0
    _, tangent = gradion.jvp(lambda m: m(1.0), (module,), ({"right.scale": 1.0},))
    assert tangent == 4.0


def test_jvp_with_aux():
    module = Counter()
    out, tangent, aux = gradion.jvp(
        lambda m, x: (m(x), m), (module, 3.0), ({"scale": 1.0}, 0.0), has_aux=True
    )
    assert (out, tangent) == (6.0, 3.0)
    assert aux is module


def test_bad_tangents():
    with pytest.raises(InputError, match=r"unknown parameter 'scal'.*'scale'"):
        gradion.jvp(lambda m: m.scale, (Counter(),), ({"scal": 1.0},))
    with pytest.raises(InputError, match=r"parameter 'scale': tangent has shape \(2,\)"):
        gradion.jvp(lambda m: m.scale, (Counter(),), ({"scale": jnp.ones(2)},))
    with pytest.raises(TypeError, match="expected a dict"):
        gradion.jvp(lambda m: m.scale, (Counter(),), (1.0,))
    with pytest.raises(InputError, match="1 primals and 2 tangents"):
        gradion.jvp(lambda m: m.scale, (Counter(),), ({}, {}))


@pytest.mark.parametrize("scale", [0.5, 2.0, -3.0])
def test_forward_agrees_with_reverse(scale):
    module = Pair()
    module.left.get_parameter("scale").value = scale
    gradient = gradion.grad(loss)(module, X)
    for name, expected in gradient.items():
        _, tangent = gradion.jvp(loss, (module, X), ({name: 1.0}, jnp.zeros(2)))
        assert float(tangent) == pytest.approx(float(expected), rel=1e-14)


def test_attributes_added_in_a_derivative():
    class Remember(Module):
        def __init__(self):
            super().__init__()
            self.a = Parameter(3.0)

        def forward(self, x):
            self.seen = self.a * x
            return self.seen**2

    module = Remember()
    assert gradion.grad(module)(1.0) == {"a": 6.0}
    assert module.seen == 3.0
    assert not isinstance(module.seen, jax.core.Tracer)
