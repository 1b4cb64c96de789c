"""Registration hooks. What they see was probed with torch 2.13.0."""

import jax.numpy as jnp
import pytest

from gradion.module import Module, Parameter
from gradion.module.hooks import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)


class Empty(Module):
    pass


def note(events):
    return lambda module, name, value: events.append((name, value))


def test_parameter_hook_sees_assignment_and_registration():
    events, first, second = [], Parameter(1.0), Parameter(2.0)
    module = Empty()
    with register_module_parameter_registration_hook(note(events)):
        module.a = first
        module.register_parameter("b", second)
        # A place without a Parameter is no registration, in torch 2.13.0 either.
        module.register_parameter("c", None)
        module.a = None
    module.d = Parameter(3.0)
    assert events == [("a", first), ("b", second)]


def test_parameter_is_replaced():
    twin = Parameter(5.0)
    module = Empty()
    with register_module_parameter_registration_hook(lambda module, name, value: twin):
        module.a = Parameter(1.0)
    assert module.get_parameter("a") is twin


def test_hooks_replace_in_turn():
    module = Empty()
    with (
        register_module_parameter_registration_hook(lambda m, n, p: Parameter(p.value + 1)),
        register_module_parameter_registration_hook(lambda m, n, p: Parameter(p.value * 10)),
    ):
        module.a = Parameter(1.0)
    assert module.a == 20.0


def test_buffer_hook_sees_registration_and_assignment():
    # torch 2.13.0: None is seen here, and an array assigned to a buffer.
    events, array = [], jnp.ones(2)
    module = Empty()
    with register_module_buffer_registration_hook(note(events)):
        module.register_buffer("a", None)
        module.a = array
    assert events == [("a", None), ("a", array)]


def test_buffer_is_replaced():
    module = Empty()
    with register_module_buffer_registration_hook(lambda module, name, value: value * 2):
        module.register_buffer("a", jnp.ones(2))
        module.register_buffer("b", jnp.ones(3))
        module.b = jnp.full(3, 5.0)
    assert module.a.tolist() == [2.0, 2.0]
    assert module.b.tolist() == [10.0, 10.0, 10.0]


def test_module_hook_sees_registration_and_assignment():
    # torch 2.13.0: None is seen here, too.
    events, child = [], Empty()
    module = Empty()
    with register_module_module_registration_hook(note(events)):
        module.register_module("a", None)
        module.a = child
        module.add_module("b", child)
    assert events == [("a", None), ("a", child), ("b", child)]


def test_module_is_replaced():
    twin = Empty()
    module = Empty()
    with register_module_module_registration_hook(lambda module, name, value: twin):
        module.a = Empty()
    assert module.a is twin


def test_hook_sees_the_owner():
    owners = []
    with register_module_parameter_registration_hook(lambda m, n, p: owners.append(m)):
        module = Empty()
        module.a = Parameter(1.0)
    assert owners == [module]


@pytest.mark.parametrize(
    ("register", "value", "expected"),
    [
        (register_module_parameter_registration_hook, Parameter(1.0), "Parameter"),
        (register_module_buffer_registration_hook, jnp.ones(2), "jax.Array"),
        (register_module_module_registration_hook, Empty(), "Module"),
    ],
    ids=["parameter", "buffer", "module"],
)
def test_result_of_another_kind_raises(register, value, expected):
    # torch 2.13.0 registers whatever it is given.
    module = Empty()
    if expected == "jax.Array":
        module.register_buffer("a", jnp.zeros(2))
    with (
        register(lambda module, name, value: 5),
        pytest.raises(TypeError, match=f"'a' of Empty returned int, expected a {expected}"),
    ):
        module.a = value


def test_hook_may_remove_itself():
    events = []

    def once(module, name, value):
        events.append(name)
        handle.remove()

    handle = register_module_parameter_registration_hook(once)
    module = Empty()
    module.a = Parameter(1.0)
    module.b = Parameter(1.0)
    assert events == ["a"]
