"""A write where it would be lost, or leave a tracer, raises."""

import copy

import jax
import jax.numpy as jnp
import pytest

from gradion import Module, Parameter
from gradion.module import RemovableHandle, TransformError

from .transform_models import Counter, Pair

TRANSFORMATIONS = {
    "jit": lambda f: jax.jit(f)(1.0),
    "grad": lambda f: jax.grad(lambda x: (f(x), x)[1])(1.0),
    "vmap": lambda f: jax.vmap(f)(jnp.ones(2)),
    "scan": lambda f: jax.lax.scan(lambda c, x: (c, f(x)), 0.0, jnp.ones(2)),
    "cond": lambda f: jax.lax.cond(True, f, lambda x: None, 1.0),
    "checkpoint": lambda f: jax.checkpoint(f)(1.0),
    "eval_shape": lambda f: jax.eval_shape(f, 1.0),
}

WRITES = {
    "buffer": lambda m, x: setattr(m, "last", jnp.asarray(x)),
    "array attribute": lambda m, x: setattr(m, "array", jnp.asarray(x)),
    "plain attribute": lambda m, x: setattr(m, "plain", 1),
    "parameter value": lambda m, x: setattr(m.get_parameter("scale"), "value", x),
    "parameter bounds": lambda m, x: setattr(m.get_parameter("scale"), "bounds", (0, 9)),
    "grad": lambda m, x: setattr(m.get_parameter("scale"), "grad", x),
    "set_parameters": lambda m, x: m.set_parameters({"scale": x}),
    "new parameter": lambda m, x: setattr(m, "scale", Parameter(x)),
    "new child": lambda m, x: setattr(m, "child", Counter()),
    "register_buffer": lambda m, x: m.register_buffer("b", jnp.asarray(x)),
    "register_parameter": lambda m, x: m.register_parameter("p", None),
    "register_module": lambda m, x: m.register_module("c", None),
    "hook": lambda m, x: m.register_forward_hook(lambda *_: None) and None,
    "delete": lambda m, x: delattr(m, "last"),
    "mode": lambda m, x: m.eval(),
    "load": lambda m, x: m.load_state_dict(m.state_dict()),
    "cast": lambda m, x: m.half(),
}


@pytest.mark.parametrize("transformation", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS)
def test_a_captured_module_in_any_transformation(transformation):
    module = Counter()
    with pytest.raises(TransformError, match="only captured"):
        transformation(lambda x: WRITES["buffer"](module, x))
    with pytest.raises(TransformError):
        transformation(lambda x: WRITES["parameter value"](module, x))
    assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(module))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_any_write_to_a_captured_module(write):
    module = Counter()
    before = module.state_dict()
    with pytest.raises(TransformError):
        jax.jit(lambda x: write(module, x))(1.0)
    assert module.state_dict() == before
    assert module.training
    assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(module))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_any_write_to_the_copy_that_bare_jax_makes(write):
    with pytest.raises(TransformError):
        jax.jit(lambda m, x: write(m, x))(Counter(), 1.0)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_same_writes_are_allowed_outside_and_on_copies(write):
    write(Counter(), 1.0)
    jax.jit(lambda m, x: write(copy.deepcopy(m), x))(Counter(), 1.0)
    jax.jit(lambda x: write(Counter(), x))(1.0)


def test_a_module_made_in_a_transformation_may_be_written_there():
    def build(x):
        module = Pair()
        module.left.get_parameter("scale").value = x
        return module(1.0)

    assert jax.jit(build)(4.0) == 12.0
    assert jax.grad(build)(4.0) == 3.0


def test_but_not_in_one_inside_of_it():
    def outer(x):
        module = Counter()
        return jax.vmap(lambda y: module(y))(x)

    with pytest.raises(TransformError, match="not the one running here"):
        jax.jit(outer)(jnp.ones(2))


def test_what_comes_out_of_a_transformation_may_be_written():
    module = jax.vmap(Counter)(jnp.ones(2))
    module.last = jnp.zeros(2)
    module = jax.tree.map(lambda x: x + 1, module)
    module.get_parameter("scale").value = jnp.zeros(2)
    assert module.scale.shape == (2,)


def test_a_module_that_leaked_out_cannot_be_written():
    kept = []
    jax.jit(lambda x: kept.append(Counter()))(1.0)
    with pytest.raises(TransformError, match="belongs to a transformation"):
        kept[0].calls = jnp.asarray(1)


def test_removing_a_hook_is_a_change_of_the_module_it_is_on():
    module = Counter()
    handle = module.register_forward_hook(lambda *_: None)
    assert isinstance(handle, RemovableHandle)
    jax.jit(lambda m: m.scale)(module)
    handle.remove()
    handle.remove()
    assert module._hooks is None


def test_attributes_before_init():
    class Late(Module):
        def __init__(self):
            self.note = 1
            super().__init__()

    assert jax.jit(lambda: Late().note)() == 1
