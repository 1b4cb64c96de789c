"""ParameterList: what torch 2.13.0's does (probed 2026-11-22), and where it differs."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.module.containers import ParameterList


def thicknesses(*values):
    return ParameterList(Parameter(value, unit="m", source="a table") for value in values)


def floats(parameters):
    return [float(value) for value in parameters]


def test_it_is_made_of_nothing_none_or_an_iterable():
    assert len(ParameterList()) == len(ParameterList(None)) == 0
    assert not ParameterList()
    assert floats(thicknesses(1, 2)) == [1, 2]
    assert floats(ParameterList(values=[Parameter(3.0)])) == [3]


def test_reading_gives_arrays_and_get_parameter_the_object():
    parameter = Parameter(2.0, unit="m")
    parameters = ParameterList([Parameter(1.0), parameter])
    assert isinstance(parameters[1], jax.Array)
    assert float(parameters[-1]) == 2
    assert parameters.get_parameter("1") is parameter
    assert list(parameters.state_dict()) == ["0", "1"]


@pytest.mark.parametrize("wrong", [3, jnp.ones(2), np.ones(2), Parameter(1.0)])
def test_what_is_not_iterable_or_an_array_is_refused(wrong):
    with pytest.raises(TypeError):
        ParameterList(wrong)
    with pytest.raises(TypeError):
        ParameterList().extend(wrong)


def test_an_array_becomes_a_parameter():
    parameters = ParameterList().append(jnp.ones(3, jnp.float32)).append(np.zeros(2))
    first, second = (parameters.get_parameter(name) for name in "01")
    assert (first.dtype, first.shape, first.unit) == (jnp.float32, (3,), "1")
    assert (second.dtype, second.shape) == (jnp.float64, (2,))


def test_an_array_of_whole_numbers_is_refused():
    # RuntimeError in PyTorch; TypeError is what any Parameter of ours raises for it.
    with pytest.raises(TypeError, match="floating"):
        ParameterList([jnp.arange(3)])


def test_other_things_stay_as_they_are():
    parameters = ParameterList([Parameter(1.0), 3, "text", None])
    assert list(parameters)[1:] == [3, "text", None]
    assert list(parameters.state_dict()) == ["0"]
    assert 3 in ParameterList([3])


def test_a_module_is_a_child():
    nested = ParameterList([ParameterList([Parameter(1.0)])])
    assert list(nested.state_dict()) == ["0.0"]
    assert type(nested[0]) is ParameterList


@pytest.mark.parametrize(("index", "error"), [(2, IndexError), (-3, IndexError), ("0", TypeError)])
def test_a_wrong_index_raises(index, error):
    parameters = thicknesses(1, 2)
    with pytest.raises(error):
        parameters[index]
    with pytest.raises(error):
        parameters[index] = Parameter(1.0)


def test_a_slice_shares_parameters():
    parameters = thicknesses(1, 2, 3)
    part = parameters[1:]
    assert type(part) is ParameterList
    assert part.get_parameter("0") is parameters.get_parameter("1")
    assert floats(parameters[::-1]) == [3, 2, 1]


def test_extending_by_another_list_shares_its_parameters():
    parameters, other = thicknesses(1), thicknesses(2)
    parameters += other
    parameters.extend(parameters)
    assert floats(parameters) == [1, 2, 1, 2]
    assert parameters.get_parameter("1") is other.get_parameter("0")
    assert parameters.get_parameter("3").unit == "m"
    assert len(jax.tree.leaves(parameters)) == 2
    assert ParameterList(other).get_parameter("0") is other.get_parameter("0")


def test_setting_takes_a_parameter_or_none():
    parameters = thicknesses(1, 2)
    parameters[0] = Parameter(7.0, unit="s")
    parameters[-1] = None
    assert parameters.get_parameter("0").unit == "s"
    assert parameters[1] is None


@pytest.mark.parametrize("wrong", [jnp.ones(()), np.ones(()), 3.0])
def test_setting_a_parameter_to_an_array_raises(wrong):
    # PyTorch makes a Parameter of a tensor here; unit and source would be lost.
    parameters = thicknesses(1, 2)
    with pytest.raises(TypeError, match="cannot assign"):
        parameters[0] = wrong
    assert parameters.get_parameter("0").unit == "m"


def test_entries_are_not_deleted():
    parameters = thicknesses(1)
    with pytest.raises(AttributeError):
        del parameters[0]
    for name in ("insert", "pop"):
        with pytest.raises(AttributeError):
            getattr(parameters, name)
    with pytest.raises(TypeError):
        parameters + parameters


def test_it_cannot_be_called():
    with pytest.raises(RuntimeError):
        thicknesses(1)(1.0)


def test_repr_has_a_line_an_entry():
    text = repr(ParameterList([Parameter(np.ones((2, 3)), unit="m"), 4, Parameter(1.0)]))
    assert "(0): Parameter [float64, 2x3] in m" in text
    assert "(1): int" in text
    assert "(2): Parameter [float64, one number]" in text
    assert not {"0", "1"} & set(dir(thicknesses(1, 2)))


def test_repr_of_one_without_value():
    assert "(0): Parameter [float64, no shape yet]" in repr(
        ParameterList([Parameter.uninitialized()])
    )


def test_gradients_and_copies():
    class Polynomial(Module):
        def __init__(self):
            super().__init__()
            self.a = ParameterList([Parameter(1.0), Parameter(2.0), Parameter(3.0)])

        def forward(self, x):
            return sum(a * x**k for k, a in enumerate(self.a))

    model = Polynomial()
    # 1 + 2 x + 3 x^2 at 2
    assert float(jax.jit(lambda m: m(2.0))(model)) == 17
    grads = jax.grad(lambda m: m(2.0))(model)
    assert floats(grads.a) == [1, 2, 4]
    twin = copy.deepcopy(model)
    twin.a.append(jnp.ones(()))
    assert float(twin(2.0)) == 25
    assert float(model(2.0)) == 17
