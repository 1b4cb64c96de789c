"""ParameterDict: what torch 2.13.0's does (probed 2026-11-22), and where it differs."""

import copy
from collections import OrderedDict

import jax
import jax.numpy as jnp
import pytest

from gradion import Parameter
from gradion.module.containers import MissingEntryError, ParameterDict


def lengths(**values):
    return ParameterDict([(key, Parameter(value, unit="m")) for key, value in values.items()])


def floats(parameters):
    return {key: None if value is None else float(value) for key, value in parameters.items()}


def test_order_is_that_of_pairs_and_sorted_for_a_mapping():
    pairs = [("z", Parameter(1.0)), ("a", Parameter(2.0))]
    assert list(ParameterDict(pairs)) == ["z", "a"]
    assert list(ParameterDict(OrderedDict(pairs))) == ["z", "a"]
    assert list(ParameterDict(ParameterDict(pairs))) == ["z", "a"]
    assert list(ParameterDict(dict(pairs))) == ["a", "z"]
    assert len(ParameterDict()) == len(ParameterDict(None)) == 0


def test_reading_gives_arrays_and_get_parameter_the_object():
    parameter = Parameter(2.0, unit="m")
    parameters = ParameterDict({"L": parameter})
    assert isinstance(parameters["L"], jax.Array)
    assert float(parameters.L) == 2
    assert parameters.get_parameter("L") is parameter
    assert list(parameters.state_dict()) == ["L"]


def test_an_array_under_a_new_key_becomes_a_parameter():
    parameters = ParameterDict({"a": jnp.ones(3, jnp.float32)})
    parameters["b"] = jnp.zeros(2)
    assert parameters.get_parameter("a").dtype == jnp.float32
    assert parameters.get_parameter("b").shape == (2,)
    with pytest.raises(TypeError, match="floating"):
        parameters["c"] = jnp.arange(2)
    assert list(parameters) == ["a", "b"]


def test_other_things_keep_their_place():
    parameters = lengths(a=1)
    parameters["n"] = 3
    parameters["b"] = Parameter(2.0)
    parameters["none"] = None
    assert list(parameters) == ["a", "n", "b", "none"]
    assert list(parameters.values())[1] == 3
    assert list(parameters.state_dict()) == ["a", "b"]
    parameters["n"] = 4
    assert parameters["n"] == 4


@pytest.mark.parametrize("wrong", [3, [3], None])
def test_what_has_no_pairs_is_refused(wrong):
    with pytest.raises(TypeError):
        ParameterDict().update(wrong)


def test_an_entry_that_is_no_pair_is_refused():
    with pytest.raises(ValueError, match="expected a pair"):
        ParameterDict([("a", 1, 2)])


@pytest.mark.parametrize("key", ["", "a.b", "keys", "type", "training"])
@pytest.mark.parametrize("value", [Parameter(1.0), 3])
def test_a_key_that_is_no_name_or_an_attribute_is_refused(key, value):
    # "training" is taken without a word by PyTorch, whose dictionary then has no mode.
    parameters = ParameterDict()
    with pytest.raises(KeyError):
        parameters[key] = value
    assert len(parameters) == 0
    assert parameters.training is True


@pytest.mark.parametrize("key", [1, None, ("a",)])
def test_a_key_that_is_no_text_is_refused(key):
    parameters = lengths(a=1)
    with pytest.raises(TypeError):
        parameters[key] = Parameter(1.0)
    with pytest.raises(TypeError):
        parameters[key]


@pytest.mark.parametrize("error", [KeyError, AttributeError, MissingEntryError])
def test_a_missing_key_raises_what_a_dict_and_what_torch_raises(error):
    parameters = lengths(length=1)
    with pytest.raises(error, match="no key 'lenght'; near: length"):
        parameters["lenght"]
    with pytest.raises(error):
        parameters.pop("z")
    with pytest.raises(error):
        del parameters["z"]


def test_setting_a_parameter_again():
    parameters = lengths(a=1, b=2)
    parameters["a"] = Parameter(5.0, unit="s")
    assert parameters.get_parameter("a").unit == "s"
    parameters["b"] = None
    assert floats(parameters) == {"a": 5, "b": None}
    # PyTorch makes a Parameter of a tensor here; the unit would be lost.
    for wrong in (jnp.ones(()), 3):
        with pytest.raises(TypeError, match="cannot assign"):
            parameters["a"] = wrong
    assert list(parameters) == ["a", "b"]


def test_views_iteration_and_membership():
    parameters = lengths(b=1, a=2)
    assert list(parameters) == list(parameters.keys()) == ["b", "a"]
    assert list(reversed(parameters)) == ["a", "b"]
    assert [float(value) for value in parameters.values()] == [1, 2]
    assert "a" in parameters
    assert "z" not in parameters
    assert 1 not in parameters
    assert "items" not in parameters
    assert {"a", "b"} <= set(dir(parameters))


def test_an_attribute_is_no_entry():
    parameters = lengths(a=1)
    parameters.x = Parameter(2.0)
    assert list(parameters) == ["a"]
    assert "x" not in parameters
    assert list(parameters.state_dict()) == ["a", "x"]


def test_get_and_setdefault():
    parameters = lengths(a=1)
    assert float(parameters.get("a")) == 1
    assert parameters.get("z") is None
    assert parameters.get("z", 5) == 5
    assert float(parameters.setdefault("a", jnp.full((), 9.0))) == 1
    assert float(parameters.setdefault("q", jnp.full((), 9.0))) == 9
    assert parameters.setdefault("r") is None
    assert list(parameters) == ["a", "q", "r"]


def test_pop_popitem_and_clear():
    parameters = lengths(a=1, b=2, c=3)
    assert float(parameters.pop("a")) == 1
    key, value = parameters.popitem()
    assert (key, float(value)) == ("c", 3)
    parameters.clear()
    assert len(parameters) == 0
    assert list(parameters.state_dict()) == []
    with pytest.raises(KeyError):
        parameters.popitem()


def test_copy_and_update_share_parameters():
    parameters = lengths(a=1)
    twin = parameters.copy()
    assert twin is not parameters
    assert twin.get_parameter("a") is parameters.get_parameter("a")
    other = ParameterDict()
    other.update(parameters)
    assert other.get_parameter("a") is parameters.get_parameter("a")
    assert copy.deepcopy(parameters).get_parameter("a") is not parameters.get_parameter("a")


def test_fromkeys():
    made = ParameterDict().fromkeys(["x", "y"], jnp.ones(()))
    assert floats(made) == {"x": 1, "y": 1}
    assert made.get_parameter("x") is not made.get_parameter("y")
    assert floats(ParameterDict().fromkeys(["x"])) == {"x": None}


def test_merging():
    a, b = lengths(a=1, c=3), lengths(b=2, c=4)
    assert floats(a | b) == {"a": 1, "c": 4, "b": 2}
    assert (a | b).get_parameter("b") is b.get_parameter("b")
    assert floats(a) == {"a": 1, "c": 3}
    assert list(a | {"z": jnp.ones(())}) == ["a", "c", "z"]
    assert list({"z": 1.0} | a) == ["z", "a", "c"]
    same = a
    same |= b
    assert same is a
    assert floats(a) == {"a": 1, "c": 4, "b": 2}


def test_it_cannot_be_called():
    with pytest.raises(RuntimeError):
        lengths(a=1)(1.0)


def test_repr_has_a_line_an_entry():
    parameters = lengths(a=1)
    parameters["n"] = 3
    assert "(a): Parameter [float64, one number] in m\n  (n): int" in repr(parameters)


def test_gradients():
    parameters = lengths(a=1, b=2)
    grads = jax.grad(lambda p: p["a"] * p["b"] ** 2)(parameters)
    assert floats(grads) == {"a": 4, "b": 4}
