"""LazyModule: what torch 2.13.0's lazy modules do (probed 2026-11-22)."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion import Module, Parameter
from gradion.module.containers import ModuleList
from gradion.module.hooks.global_hooks import register_module_forward_pre_hook
from gradion.module.lazy import LazyModule


class Scale(Module):
    def __init__(self, size):
        super().__init__()
        self.size = size
        self.factor = Parameter(np.full(size, 2.0), unit="m")

    def forward(self, x, *, shift=0.0):
        return self.factor * x + shift


class LazyScale(LazyModule):
    cls_to_become = Scale

    def __init__(self):
        super().__init__()
        self.size = 0
        self.factor = Parameter.uninitialized(unit="m", source="a table")

    def forward(self, x, *, shift=0.0):
        return self.factor * x + shift

    def initialize_parameters(self, x, *, shift=0.0):
        factor = self.get_parameter("factor")
        if factor.is_uninitialized:
            factor.materialize(np.full(x.shape, 2.0))
        self.size = x.size


class Stays(LazyModule):
    """Keeps its class, counts its initialisations and may fail in them."""

    def __init__(self, *, leave=False, fail=False):
        super().__init__()
        self.runs = 0
        self.leave = leave
        self.fail = fail
        self.factor = Parameter.uninitialized(dtype=jnp.float32)

    def forward(self, x):
        return self.factor * x

    def initialize_parameters(self, x):
        self.runs += 1
        if self.fail:
            raise ValueError("no values")
        if not self.leave:
            self.get_parameter("factor").materialize(np.full(x.shape, 3.0))


def test_the_first_call_gives_values_and_the_class():
    module = LazyScale()
    assert module.has_uninitialized_params()
    assert module(jnp.ones(3)).tolist() == [2, 2, 2]
    assert type(module) is Scale
    assert module.size == 3
    assert not hasattr(module, "has_uninitialized_params")
    assert module._hooks is None


def test_the_parameter_object_stays_with_its_description():
    module = LazyScale()
    parameter = module.get_parameter("factor")
    module(jnp.ones(2))
    assert module.get_parameter("factor") is parameter
    assert (parameter.unit, parameter.source) == ("m", "a table")


def test_keyword_arguments_reach_initialize_parameters():
    module = LazyScale()
    assert module(x=jnp.ones(2), shift=1.0).tolist() == [3, 3]
    assert module.size == 2


def test_without_cls_to_become_the_class_stays():
    module = Stays()
    module(jnp.ones(2))
    module(jnp.ones(2))
    assert type(module) is Stays
    assert module.runs == 1
    assert not module.has_uninitialized_params()
    assert module.get_parameter("factor").dtype == jnp.float32


def test_parameters_left_without_value_raise_and_are_named():
    module = Stays(leave=True)
    with pytest.raises(RuntimeError, match="left Parameters without value: factor"):
        module(jnp.ones(2))


def test_a_failed_initialisation_is_tried_again():
    module = Stays(fail=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="no values"):
            module(jnp.ones(2))
    assert module.runs == 2
    module.fail = False
    assert module(jnp.ones(2)).tolist() == [3, 3]


def test_initialize_parameters_must_be_written():
    class Forgotten(LazyModule):
        def forward(self, x):
            return x

    # NotImplementedError on the first call in PyTorch.
    with pytest.raises(TypeError, match="initialize_parameters"):
        Forgotten()


def test_hooks_before_it_see_the_lazy_class_and_those_after_it_the_other():
    # PyTorch 2.13.0: global hooks, then local ones in order, of which this is the first.
    seen = []

    def note(name):
        return lambda module, args: seen.append((name, type(module).__name__))

    module = LazyScale()
    module.register_forward_pre_hook(note("local"))
    module.register_forward_pre_hook(note("prepended"), prepend=True)
    with register_module_forward_pre_hook(note("global")):
        module(jnp.ones(2))
    expected = [("global", "LazyScale"), ("prepended", "LazyScale"), ("local", "Scale")]
    assert seen == expected
    module(jnp.ones(2))
    assert seen[3:] == [("prepended", "Scale"), ("local", "Scale")]


def test_values_cannot_be_used_before():
    module = LazyScale()
    with pytest.raises(RuntimeError, match="call the Module once on an example"):
        jnp.asarray(module.factor)
    with pytest.raises(RuntimeError):
        module.get_parameter("factor").shape  # noqa: B018


@pytest.mark.parametrize("transform", [jax.jit, gradion.jit])
def test_a_transformation_before_the_first_call_raises(transform):
    module = LazyScale()
    with pytest.raises((RuntimeError, ValueError), match="factor"):
        transform(lambda module, x: module(x))(module, jnp.ones(2))


def test_transformations_after_the_first_call():
    module = LazyScale()
    module(jnp.ones(2))
    out = jax.jit(lambda module, x: module(x).sum())(module, jnp.ones(2))
    assert float(out) == 4
    grads = jax.grad(lambda module: module(jnp.ones(2)).sum())(module)
    assert type(grads) is Scale
    assert grads.factor.tolist() == [1, 1]


def test_it_may_be_made_and_called_inside_a_transformation():
    def f(x):
        module = LazyScale()
        return module(x).sum()

    assert float(jax.jit(f)(jnp.ones(3))) == 6


def test_compiled_code_follows_the_change_of_class():
    parent = ModuleList([Stays(), LazyScale()])
    for module in parent:
        module(jnp.ones(2))
    total = jax.jit(lambda parent, x: parent[1](parent[0](x)))
    assert total(parent, jnp.ones(2)).tolist() == [6, 6]


def test_a_deep_copy_is_lazy_on_its_own():
    module = LazyScale()
    twin = copy.deepcopy(module)
    twin(jnp.ones(2))
    assert type(twin) is Scale
    assert twin._hooks is None
    assert type(module) is LazyScale
    assert module.has_uninitialized_params()
    assert module(jnp.ones(4)).shape == (4,)
    assert twin.factor.shape == (2,)


def test_dtype_changes_before_the_first_call():
    module = LazyScale().float()
    module(jnp.ones(2))
    assert module.factor.dtype == jnp.float32


def test_a_state_loaded_before_gives_values_that_stay():
    source = Scale(3)
    source.get_parameter("factor").value = np.array([5.0, 6.0, 7.0])
    module = LazyScale()
    module.load_state_dict(source.state_dict())
    assert type(module) is LazyScale
    assert not module.has_uninitialized_params()
    assert module(jnp.ones(3)).tolist() == [5, 6, 7]
    assert type(module) is Scale


def test_repr_and_names_before():
    module = LazyScale()
    assert repr(module) == "LazyScale()"
    assert [name for name, _ in module.named_parameters()] == ["factor"]
