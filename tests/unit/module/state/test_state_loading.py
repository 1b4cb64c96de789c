"""Loading a state: assign, Parameters without a value, extra state, hooks, undoing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.module.state.state_dict import StateDictError

from .state_models import Extra, Leaf, Tree, values

# -- assign --------------------------------------------------------------------------------------


def test_assign_takes_the_arrays_themselves():
    module = Tree()
    kept = module.get_parameter("y")
    kept.grad = jnp.ones((2, 3))
    given = jnp.full((2, 3), 7.0, jnp.float16)
    grid = jnp.array([1.0, 2.0, 3.0])
    module.load_state_dict({"y": given, "first.grid": grid}, strict=False, assign=True)
    assert module.get_parameter("y") is kept
    assert module.y is given
    assert kept.grad is None
    assert module.first.grid is grid


@pytest.mark.parametrize("value", [jnp.ones(()), jnp.ones((2, 3), jnp.int32), "x"])
def test_assign_takes_what_a_parameter_may_be(value):
    module = Tree()
    with pytest.raises(StateDictError, match="y: "):
        module.load_state_dict({"y": value}, strict=False, assign=True)
    assert module.y.dtype == jnp.float32


def test_assign_puts_parameter_objects_in_place():
    source, target = Tree(3.0, share=True), Tree()
    target.load_state_dict(source.state_dict(keep_vars=True), assign=True)
    given = source.first.get_parameter("x")
    assert target.first.get_parameter("x") is given
    assert target.second.get_parameter("x") is given
    assert len(jax.tree.leaves(target)) == len(jax.tree.leaves(source))


def test_assigned_parameters_stay_shared():
    given = Parameter(5.0)
    target = Tree(share=True)
    target.load_state_dict({"second.x": given}, strict=False, assign=True)
    assert target.first.get_parameter("x") is given
    with pytest.raises(StateDictError, match=r"second\.x: differs from first\.x"):
        target.load_state_dict(
            {"first.x": Parameter(1.0), "second.x": Parameter(1.0)}, strict=False, assign=True
        )
    assert target.first.get_parameter("x") is given


def test_assigned_parameters_fit_in_unit_and_shape():
    target = Leaf(1.0, unit="m")
    for given, told in (
        (Parameter(1.0, unit="mm"), r"x: a Parameter in mm, expected one in m"),
        (Parameter(np.ones(2), unit="m"), r"x: shape \(2,\), expected \(\)"),
    ):
        with pytest.raises(StateDictError, match=told):
            target.load_state_dict({"x": given}, strict=False, assign=True)


def test_parameters_without_assign_give_values_and_descriptions():
    source, target = Leaf(3.0, unit="m", source="a"), Leaf(1.0, unit="mm")
    kept = target.get_parameter("x")
    target.load_state_dict(dict(source.state_dict(keep_vars=True)))
    assert target.get_parameter("x") is kept
    assert (kept.value, kept.source) == (3000.0, "a")


# -- parameters without a value ------------------------------------------------------------------


def lazy(**description):
    module = Leaf()
    module.x = Parameter.uninitialized(dtype=jnp.float32, **description)
    return module


@pytest.mark.parametrize("assign", [False, True])
def test_uninitialised_parameters_take_any_shape(assign):
    module = lazy(source="mine")
    kept = module.get_parameter("x")
    module.load_state_dict({"x": jnp.arange(3.0)}, strict=False, assign=assign)
    assert module.get_parameter("x") is kept
    np.testing.assert_array_equal(module.x, [0.0, 1.0, 2.0])
    assert module.x.dtype == (jnp.float64 if assign else jnp.float32)
    assert kept.source == "mine"


@pytest.mark.parametrize("assign", [False, True])
def test_uninitialised_states_round_trip(assign):
    source, target = lazy(), lazy()
    state = source.state_dict()
    source.get_parameter("x").materialize(1.0)
    # What was saved has not got that value.
    assert target.load_state_dict(state, assign=assign) == ([], [])
    assert target.get_parameter("x").is_uninitialized
    with pytest.raises(StateDictError, match=r"x: has no value yet, expected shape \(\)"):
        Leaf().load_state_dict(state, assign=assign)


def test_a_load_that_fails_takes_the_value_back():
    module = lazy()
    with pytest.raises(StateDictError, match="missing grid"):
        module.load_state_dict({"x": jnp.arange(3.0)})
    assert module.get_parameter("x").is_uninitialized


# -- extra state and hooks -----------------------------------------------------------------------


def test_extra_state_goes_along():
    root = Module()
    root.part = Extra("saved")
    state = root.state_dict()
    assert list(state) == ["part.x", "part._extra_state"]
    root.part.extra = "other"
    root.load_state_dict(state)
    assert root.part.extra == "saved"
    del state["part._extra_state"]
    assert root.load_state_dict(state, strict=False) == (["part._extra_state"], [])


def test_a_load_that_fails_takes_everything_back():
    root = Tree(share=True)
    root.part = Extra()
    given = Parameter(np.full((2, 3), 2.0), dtype=jnp.float32)
    mine = root.get_parameter("y")
    kept = root.first.get_parameter("x")
    kept.grad = jnp.array(4.0)
    state = {
        "y": given,
        "first.x": jnp.float32(3.0),
        "part._extra_state": "second",
        "first.grid": jnp.arange(3) + 1,
    }
    before = values(root)
    with pytest.raises(StateDictError, match="missing"):
        root.load_state_dict(state, assign=True)
    assert values(root) == before
    assert root.get_parameter("y") is mine
    assert root.first.get_parameter("x") is root.second.get_parameter("x") is kept
    assert kept.dtype == jnp.float64
    assert kept.grad == 4.0


def test_a_set_extra_state_that_raises_takes_everything_back():
    root = Extra()
    with pytest.raises(ZeroDivisionError):
        root.load_state_dict({"x": 5.0, "_extra_state": "bad"})
    assert root.x == 1.0


def test_a_post_hook_that_raises_takes_everything_back():
    root = Tree()
    before = values(root)

    def fail(module, keys):
        assert root.y[0, 0] == 3.0
        raise ZeroDivisionError

    root.first.register_load_state_dict_post_hook(fail)
    with pytest.raises(ZeroDivisionError):
        root.load_state_dict(Tree(3.0).state_dict())
    assert values(root) == before


def test_post_hooks_may_clear_what_is_missing():
    root = Tree()
    root.first.register_load_state_dict_post_hook(lambda _, keys: keys.missing_keys.clear())
    state = root.state_dict()
    del state["y"], state["first.x"]
    assert root.load_state_dict(state) == ([], [])
    # A hook sees what was found before it, and no more.
    del state["second.x"]
    with pytest.raises(StateDictError, match=r"missing second\.x;"):
        root.load_state_dict(state)


def test_hooks_may_bring_an_old_version_up_to_date():
    root = Tree()
    seen = []

    def update(module, state, prefix, local, strict, missing, unexpected, errors):
        seen.append((module is root.second, sorted(state), prefix, local["version"], strict))
        state[prefix + "x"] = 2 * state.pop(prefix + "old")
        local["parameters"]["x"] = Parameter(1.0, source="old").meta

    root.second.register_load_state_dict_pre_hook(update)
    state = Tree(3.0).state_dict()
    state["second.old"] = state.pop("second.x")
    state._metadata["second"]["version"] = 0
    assert root.load_state_dict(state) == ([], [])
    assert seen == [(True, ["second.grid", "second.old"], "second.", 0, True)]
    assert root.second.x == 12.0
    assert root.second.get_parameter("x").source == "old"


def test_errors_of_hooks_are_told_even_when_not_strict():
    root = Tree()

    def complain(module, state, prefix, local, strict, missing, unexpected, errors):
        missing.append("M")
        unexpected.append("U")
        errors.append("E")

    root.first.register_load_state_dict_pre_hook(complain)
    state = Tree(3.0).state_dict()
    with pytest.raises(StateDictError, match=r"missing M; unexpected U; .*E"):
        root.load_state_dict(state)
    with pytest.raises(StateDictError, match=r": does not fit: E"):
        root.load_state_dict(state, strict=False)
    assert root.y[0, 0] == 1.0


def test_hooks_may_not_return_values():
    root = Leaf()
    handle = root.register_state_dict_post_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="post-hook returned a value"):
        root.state_dict()
    handle.remove()
    root.register_load_state_dict_post_hook(lambda *_: 3)
    with pytest.raises(AssertionError, match="post-hook returned a value"):
        root.load_state_dict(root.state_dict())
