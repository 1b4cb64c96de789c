"""gradion.scan: Modules carried through a loop, and stacks of them looped over."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import TransformError

from ..transform_models import Counter, Pair


def apply(carry, x):
    module, total = carry
    total = total + module(x)
    return (module, total), total


def test_a_carried_module_is_one_through_all_steps():
    module = Counter()
    (same, total), ys = gradion.scan(apply, (module, 0.0), jnp.arange(4.0))
    assert same is module
    assert total == 12.0
    np.testing.assert_array_equal(ys, [0.0, 2.0, 6.0, 12.0])
    assert module.calls == 4
    assert module.last == 6.0


def test_parameters_written_in_a_step_are_read_by_the_next():
    def step(module, x):
        gradient = gradion.grad(lambda m: (m.scale - x) ** 2)(module)
        module.set_parameters({"scale": module.scale - 0.25 * gradient["scale"]})
        return module, module.scale

    module = Counter(0.0)
    same, path = gradion.scan(step, module, jnp.full(3, 8.0))
    assert same is module
    np.testing.assert_array_equal(path, [4.0, 6.0, 7.0])
    assert module.scale == 7.0


def test_a_stack_looped_over():
    modules = jax.vmap(Counter)(jnp.asarray([1.0, 2.0, 3.0]))
    out, _ = gradion.scan(lambda h, m: (m(h), None), jnp.asarray(1.0), modules)
    assert out == 6.0
    np.testing.assert_array_equal(modules.calls, [1, 1, 1])
    np.testing.assert_array_equal(modules.last, [1.0, 2.0, 6.0])


def test_a_stack_and_a_carried_module():
    modules = jax.vmap(Counter)(jnp.asarray([1.0, 2.0, 3.0]))
    one = Counter(10.0)

    def step(carry, x):
        m, h = carry
        layer, shift = x
        return (m, layer(h) + m(shift)), None

    gradion.scan(step, (one, jnp.asarray(1.0)), (modules, jnp.ones(3)), reverse=True)
    # From the last layer to the first: 3 * 1, then 2 * (3 + 10), then 1 * (26 + 10).
    np.testing.assert_array_equal(modules.last, [36.0, 26.0, 3.0])
    assert one.calls == 3
    np.testing.assert_array_equal(modules.calls, [1, 1, 1])


def test_shared_parameters_stay_shared():
    module = Pair(share=True)

    def step(m, _):
        m.left.get_parameter("scale").value = m.right.scale + 1.0
        return m, None

    gradion.scan(step, module, length=3)
    assert module.left.scale == module.right.scale == 5.0


def test_gradient_through_a_loop():
    module = Counter(2.0)

    def total(m):
        (_, total), _ = gradion.scan(apply, (m, 0.0), jnp.arange(4.0))
        return total

    assert gradion.grad(total)(module) == {"scale": 6.0}
    assert gradion.jit(gradion.grad(total))(module) == {"scale": 6.0}
    assert module.calls == 8


def test_without_modules():
    carry, ys = gradion.scan(lambda c, x: (c + x, c), 0.0, jnp.arange(3.0))
    assert carry == 3.0
    np.testing.assert_array_equal(ys, [0.0, 0.0, 1.0])


def test_a_captured_module_may_be_read_and_not_written():
    module = Counter()
    out, _ = gradion.scan(lambda c, x: (c + module.scale * x, None), 0.0, jnp.ones(2))
    assert out == 4.0
    with pytest.raises(TransformError, match="only captured"):
        gradion.scan(lambda c, x: (c + module(x), None), 0.0, jnp.ones(2))
    assert module.calls == 0


def test_wrong_use():
    module = Counter()
    with pytest.raises(TransformError, match="return the Modules of the carry in the carry"):
        gradion.scan(lambda c, x: (1.0, c), module, jnp.ones(2))
    with pytest.raises(TransformError, match="changed the structure"):
        gradion.scan(lambda c, x: (setattr(c, "n", 1), (c, None))[1], module, jnp.ones(2))
    modules = jax.vmap(Counter)(jnp.ones(2))
    with pytest.raises(InputError, match="both carried and looped over"):
        gradion.scan(lambda c, x: (c, None), modules, modules)
    with pytest.raises(TypeError, match="write a function of"):
        gradion.scan(module, 0.0, jnp.ones(2))


def test_bare_scan_refuses_writes():
    with pytest.raises(TransformError, match=r"gradion\.jit"):
        jax.lax.scan(apply, (Counter(), 0.0), jnp.ones(2))


def test_only_what_is_written_is_carried():
    class Heavy(Module):
        def __init__(self):
            super().__init__()
            self.table = Parameter(jnp.ones(1000))
            self.n = jnp.asarray(0.0)

    def step(m, x):
        m.n = m.n + jnp.sum(m.table) * x
        return m, None

    jaxpr = jax.make_jaxpr(lambda m, x: gradion.scan(step, copy.deepcopy(m), x)[0].n)
    (loop,) = [e for e in jaxpr(Heavy(), jnp.ones(2)).eqns if e.primitive.name == "scan"]
    assert [v.aval.shape for v in loop.outvars] == [()]
