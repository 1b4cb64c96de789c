"""Hooks on all Modules. Orders of events were probed with torch 2.13.0."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from gradion.module import Module, Parameter
from gradion.module import hooks as hook_functions
from gradion.module.hooks import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)


class Scale(Module):
    def __init__(self, w=3.0):
        super().__init__()
        self.w = Parameter(w)

    def forward(self, x, k=1.0):
        return self.w * x * k


def test_order_of_all_kinds():
    module, events = Scale(), []

    def note(name):
        return lambda module, *_: events.append(name)

    module.register_forward_pre_hook(note("pre"))
    module.register_forward_pre_hook(note("first pre"), prepend=True)
    module.register_forward_hook(note("forward"))
    module.register_full_backward_pre_hook(note("backward pre"))
    module.register_full_backward_pre_hook(note("first backward pre"), prepend=True)
    module.register_full_backward_hook(note("backward"))
    module.register_full_backward_hook(note("first backward"), prepend=True)
    with (
        register_module_forward_pre_hook(note("global pre")),
        register_module_forward_hook(note("global forward")),
        register_module_full_backward_pre_hook(note("global backward pre")),
        register_module_full_backward_hook(note("global backward")),
    ):
        jax.grad(module)(2.0)
    # torch 2.13.0 gives the same list: prepending puts no hook before the global ones.
    assert events == [
        *("global pre", "first pre", "pre", "global forward", "forward"),
        *("global backward pre", "first backward pre", "backward pre"),
        *("global backward", "first backward", "backward"),
    ]


def test_runs_for_every_module_even_without_hooks():
    events = []
    with register_module_forward_hook(lambda module, args, output: events.append(module.w)):
        Scale(1.0)(0.0)
        Scale(2.0)(0.0)
    assert events == [1.0, 2.0]


def test_changes_arguments_and_output():
    with (
        register_module_forward_pre_hook(lambda module, args: args[0] + 1),
        register_module_forward_hook(lambda module, args, output: output * 10),
    ):
        assert Scale()(1.0) == 60.0


def test_options_with_kwargs_and_always_call():
    class Failing(Scale):
        def forward(self, x, k=1.0):
            raise ValueError("forward failed")

    events = []

    def hook(module, args, kwargs, output):
        events.append((args, kwargs, output))

    with (
        register_module_forward_hook(hook, with_kwargs=True, always_call=True),
        pytest.raises(ValueError, match="forward failed"),
    ):
        Failing()(1.0, k=2.0)
    # torch 2.13.0 calls this one without the kwargs, so that it raises and is silenced.
    assert events == [((1.0,), {"k": 2.0}, None)]


def test_changes_gradients():
    with register_module_full_backward_hook(lambda module, i, o: (i[0] * 100,)):
        assert jax.grad(Scale())(1.0) == 300.0
    assert jax.grad(Scale())(1.0) == 3.0


def test_changes_gradients_of_outputs():
    with register_module_full_backward_pre_hook(lambda module, o: (o[0] * 100,)):
        assert jax.grad(Scale())(1.0) == 300.0


def test_forward_mode_raises_while_a_backward_hook_is_there():
    module = Scale()
    with (
        register_module_full_backward_hook(lambda module, i, o: None),
        pytest.raises(TypeError, match="Scale.*backward hook"),
    ):
        jax.jvp(lambda x: module(x), (1.0,), (1.0,))
    assert jax.jvp(lambda x: module(x), (1.0,), (1.0,)) == (3.0, 3.0)


def test_jit_sees_a_hook_come_and_go():
    module = Scale()
    call = jax.jit(lambda module, x: module(x))
    x = jnp.array(2.0)
    found = [call(module, x)]
    with register_module_forward_hook(lambda module, args, output: output + 1):
        found.append(call(module, x))
    found.append(call(module, x))
    assert found == [6.0, 7.0, 6.0]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("register_module_forward_pre_hook", ["hook"]),
        ("register_module_forward_hook", ["hook", "with_kwargs", "always_call"]),
        ("register_module_full_backward_pre_hook", ["hook"]),
        ("register_module_full_backward_hook", ["hook"]),
        ("register_module_parameter_registration_hook", ["hook"]),
        ("register_module_buffer_registration_hook", ["hook"]),
        ("register_module_module_registration_hook", ["hook"]),
    ],
)
def test_signatures_are_those_of_torch(name, parameters):
    # From inspect.signature of torch 2.13.0.
    signature = inspect.signature(getattr(hook_functions, name))
    assert list(signature.parameters) == parameters
    assert name in hook_functions.__all__
