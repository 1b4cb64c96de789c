"""Parametrised attributes: what torch 2.13.0's parametrize does (probed 2026-11-22)."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import NormalPrior, TransformError
from gradion.module.containers import ModuleDict
from gradion.module.parametrizations import (
    Positive,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)


class Line(Module):
    def __init__(self, value=3.0):
        super().__init__()
        self.weight = Parameter(
            np.full((2, 2), value),
            unit="m",
            bounds=(0, 10),
            prior=NormalPrior(1.0, 2.0),
            source="a table",
        )
        self.bias = Parameter(np.ones(2))

    def forward(self, x):
        return self.weight @ x + self.bias


class Exp(Module):
    def forward(self, x):
        return jnp.exp(x)

    def right_inverse(self, y):
        return jnp.log(y)


class Double(Module):
    def forward(self, x):
        return 2 * x


class Scale(Module):
    def __init__(self, k=2.0):
        super().__init__()
        self.k = Parameter(k)

    def forward(self, x):
        return x * self.k

    def right_inverse(self, y):
        return y / self.k


class Sum(Module):
    def forward(self, a, b):
        return a + b

    def right_inverse(self, y):
        return y - 1, jnp.ones_like(y)


class Function(Module):
    """A parametrization of plain functions, to make wrong ones."""

    def __init__(self, forward, right_inverse=None):
        super().__init__()
        self.map = forward
        if right_inverse is not None:
            self.right_inverse = right_inverse

    def forward(self, *originals):
        return self.map(*originals)


def names(module):
    return [name for name, _ in module.named_parameters()]


def test_names_are_those_of_torch():
    line = Line()
    assert register_parametrization(line, "weight", Scale()) is line
    expected = ["bias", "parametrizations.weight.original", "parametrizations.weight.0.k"]
    assert names(line) == list(line.state_dict()) == expected
    assert [name for name, _ in line.named_modules()] == [
        "",
        "parametrizations",
        "parametrizations.weight",
        "parametrizations.weight.0",
    ]
    assert type(line) is Line


def test_a_right_inverse_keeps_the_value():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    np.testing.assert_allclose(line.weight, np.full((2, 2), 3.0), rtol=1e-15)
    np.testing.assert_allclose(line.parametrizations.weight.original, np.log(3.0), rtol=1e-15)


@pytest.mark.parametrize("missing", [None, NotImplementedError])
def test_without_a_right_inverse_the_original_keeps_the_value(missing):
    line = Line(3.0)
    parametrization = Double()
    if missing is not None:

        def right_inverse(y):
            raise missing

        parametrization.right_inverse = right_inverse
    register_parametrization(line, "weight", parametrization)
    assert float(line.weight[0, 0]) == 6
    assert float(line.parametrizations.weight.original[0, 0]) == 3


def test_a_second_parametrization_comes_after_and_leaves_the_original():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    original = line.parametrizations.weight.original
    register_parametrization(line, "weight", Scale(2.0))
    np.testing.assert_allclose(line.weight, np.full((2, 2), 6.0), rtol=1e-15)
    assert line.parametrizations.weight.original is original
    assert len(line.parametrizations.weight) == 2
    assert isinstance(line.parametrizations.weight[-1], Scale)


def test_the_parameter_object_becomes_the_original():
    line, other = Line(), Line()
    other.weight = line.get_parameter("weight")
    parameter = line.get_parameter("weight")
    register_parametrization(line, "weight", Scale(2.0))
    assert line.get_parameter("parametrizations.weight.original") is parameter
    # What shares it sees the new quantity, as in PyTorch.
    assert other.weight is line.parametrizations.weight.original
    assert float(other.weight[0, 0]) == 1.5


def test_several_originals():
    line = Line(3.0)
    register_parametrization(line, "weight", Sum())
    assert names(line)[1:] == [
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]
    assert float(line.parametrizations.weight.original0[0, 0]) == 2
    assert float(line.weight[0, 0]) == 3
    line.weight = jnp.full((2, 2), 5.0)
    assert float(line.parametrizations.weight.original0[0, 0]) == 4
    assert float(line.weight[0, 0]) == 5


def test_a_sequence_of_one_is_numbered_too():
    line = Line(3.0)
    register_parametrization(line, "weight", Function(lambda x: 2 * x, lambda y: (y / 2,)))
    assert names(line)[1:] == ["parametrizations.weight.original0"]
    assert float(line.weight[0, 0]) == 3


def test_gradients_flow_to_the_original():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    x = jnp.array([1.0, 2.0])
    grads = jax.grad(lambda line: line(x).sum())(line)
    # d/d original of exp(original) x: weight x
    np.testing.assert_allclose(
        grads.parametrizations.weight.original, 3.0 * np.array([[1.0, 2.0]] * 2), rtol=1e-14
    )
    gradion.backward(lambda line: line(x).sum(), line)
    grad = line.get_parameter("parametrizations.weight.original").grad
    np.testing.assert_allclose(grad, 3.0 * np.array([[1.0, 2.0]] * 2), rtol=1e-14)


def test_compiled_code_reads_the_value():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    x = jnp.array([1.0, 2.0])
    expected = line(x)
    np.testing.assert_allclose(jax.jit(lambda line: line(x))(line), expected, rtol=1e-14)
    np.testing.assert_allclose(gradion.jit(lambda line: line(x))(line), expected, rtol=1e-14)


def test_assignment_sets_the_original():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    original = line.get_parameter("parametrizations.weight.original")
    line.weight = jnp.full((2, 2), 5.0)
    np.testing.assert_allclose(line.weight, np.full((2, 2), 5.0), rtol=1e-15)
    assert line.get_parameter("parametrizations.weight.original") is original
    line.weight = np.full((2, 2), 4)
    np.testing.assert_allclose(original.value, np.log(4.0), rtol=1e-15)


def test_assignment_goes_back_through_all_parametrizations():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    register_parametrization(line, "weight", Scale(2.0))
    line.weight = jnp.full((2, 2), 8.0)
    np.testing.assert_allclose(line.parametrizations.weight.original, np.log(4.0), rtol=1e-15)


def test_assignment_without_a_right_inverse_raises():
    line = Line()
    register_parametrization(line, "weight", Double())
    with pytest.raises(RuntimeError, match="Double has no right_inverse"):
        line.weight = jnp.ones((2, 2))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, TypeError),
        ("text", TypeError),
        (Parameter(np.ones((2, 2))), KeyError),
        (jnp.ones((2, 2), jnp.float32), ValueError),
        # PyTorch takes another shape here.
        (jnp.ones(3), ValueError),
    ],
)
def test_what_cannot_be_assigned_changes_nothing(value, error):
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    with pytest.raises(error, match="weight|array"):
        line.weight = value
    np.testing.assert_allclose(line.weight, np.full((2, 2), 3.0), rtol=1e-15)


def test_it_cannot_be_deleted_or_registered_over():
    line = Line()
    register_parametrization(line, "weight", Exp())
    with pytest.raises(AttributeError):
        del line.weight
    with pytest.raises(KeyError):
        line.register_parameter("weight", Parameter(1.0))


def test_a_name_that_is_no_parameter_raises():
    line = Line()
    line.plain = 3.0
    for name in ("nope", "plain", "training"):
        with pytest.raises(ValueError, match="no Parameter or buffer"):
            register_parametrization(line, name, Exp())
    with pytest.raises(InputError, match="near: weight"):
        register_parametrization(line, "wieght", Exp())
    line.bias = None
    with pytest.raises(ValueError, match="no Parameter or buffer 'bias'"):
        register_parametrization(line, "bias", Exp())


def test_what_is_no_module_raises():
    with pytest.raises(TypeError, match="parametrization is function"):
        register_parametrization(Line(), "weight", lambda x: x)
    with pytest.raises(TypeError, match="module is int"):
        register_parametrization(3, "weight", Exp())


def test_a_parameter_without_value_raises():
    line = Line()
    line.weight = Parameter.uninitialized()
    with pytest.raises((ValueError, RuntimeError), match="value"):
        register_parametrization(line, "weight", Exp())


# Shape and dtype, in the words of the error; what `unsafe` allows, as in PyTorch 2.13.0.
WRONG = [
    (lambda x: x[:1], None, "shape", True),
    (lambda x: x.astype(jnp.float32), None, "dtype", True),
    (lambda x: 3, None, "expected an array", True),
    (lambda x: x, lambda y: y.astype(jnp.float32), "dtype", False),
    (lambda x: x, lambda y: 3, "int", False),
    (lambda x, y: x, lambda y: (y, 3), "entry 1", False),
]


@pytest.mark.parametrize(("forward", "right_inverse", "message", "allowed"), WRONG)
def test_shape_and_dtype_are_kept_unless_unsafe(forward, right_inverse, message, allowed):
    line = Line(3.0)
    before = line.state_dict()
    with pytest.raises(ValueError, match=message):
        register_parametrization(line, "weight", Function(forward, right_inverse))
    assert list(line.state_dict()) == list(before)
    assert line.weight is before["weight"]
    if allowed:
        register_parametrization(line, "weight", Function(forward, right_inverse), unsafe=True)
        assert is_parametrized(line, "weight")
    else:
        with pytest.raises(ValueError, match=message):
            register_parametrization(line, "weight", Function(forward, right_inverse), unsafe=True)


SECOND = [
    (lambda x: x[:1], None, "shape"),
    (lambda x: x.astype(jnp.float32), None, "dtype"),
    (lambda x: 3, None, "expected an array"),
    (lambda x: x, lambda y: y.sum(), "shape"),
    (lambda x: x, lambda y: y.astype(jnp.float32), "dtype"),
    (lambda x: x, lambda y: 3, "expected an array"),
    (lambda x: x, lambda y: (y, y), "several originals"),
]


@pytest.mark.parametrize(("forward", "right_inverse", "message"), SECOND)
def test_a_second_one_keeps_shape_and_dtype_both_ways(forward, right_inverse, message):
    line = Line(3.0)
    register_parametrization(line, "weight", Scale())
    with pytest.raises(ValueError, match=message):
        register_parametrization(line, "weight", Function(forward, right_inverse))
    assert len(line.parametrizations.weight) == 1


def test_an_original_may_have_another_shape():
    line = Line(3.0)
    one_number = Function(lambda x: x * jnp.ones((2, 2)), lambda y: y[0, 0])
    register_parametrization(line, "weight", one_number)
    assert line.get_parameter("parametrizations.weight.original").shape == ()
    assert float(line.weight[1, 1]) == 3


@pytest.mark.parametrize("make", [Exp, Scale, Double])
def test_removal_leaves_the_value_or_the_original(make):
    for leave in (True, False):
        line = Line(3.0)
        parameter = line.get_parameter("weight")
        register_parametrization(line, "weight", make())
        original, value = line.parametrizations.weight.original, line.weight
        assert remove_parametrizations(line, "weight", leave_parametrized=leave) is line
        assert line.get_parameter("weight") is parameter
        assert jnp.array_equal(line.weight, value if leave else original)
        assert list(line.state_dict()) == ["bias", "weight"]
        assert not hasattr(line, "parametrizations")
        assert not is_parametrized(line)


def test_removal_of_several_originals():
    line = Line(3.0)
    meta = line.get_parameter("weight").meta
    register_parametrization(line, "weight", Sum())
    with pytest.raises(ValueError, match="2 originals"):
        remove_parametrizations(line, "weight", leave_parametrized=False)
    remove_parametrizations(line, "weight")
    assert float(line.weight[0, 0]) == 3
    assert line.get_parameter("weight").meta == meta


def test_removal_of_what_is_not_parametrised_raises():
    with pytest.raises(ValueError, match="Line.weight is not parametrised"):
        remove_parametrizations(Line(), "weight")


def test_is_parametrized():
    line = Line()
    assert not is_parametrized(line)
    register_parametrization(line, "weight", Exp())
    register_parametrization(line, "bias", Exp())
    remove_parametrizations(line, "weight")
    assert is_parametrized(line)
    assert is_parametrized(line, "bias")
    assert not is_parametrized(line, "weight")
    assert not is_parametrized(line, "nope")


def test_a_child_of_that_name_of_the_user_is_left_alone():
    line = Line()
    line.parametrizations = ModuleDict({"plain": Exp()})
    assert not is_parametrized(line)
    with pytest.raises(AttributeError):
        line.plain  # noqa: B018


def test_a_buffer_is_parametrised_as_a_buffer():
    for persistent in (True, False):
        line = Line()
        line.register_buffer("mean", jnp.full(2, 3.0), persistent)
        register_parametrization(line, "mean", Scale(2.0))
        name = "parametrizations.mean.original"
        assert (name in line.state_dict()) is persistent
        assert line.get_buffer(name).tolist() == [1.5, 1.5]
        assert line.mean.tolist() == [3, 3]
        line.mean = jnp.full(2, 8.0)
        assert line.get_buffer(name).tolist() == [4, 4]
        remove_parametrizations(line, "mean")
        assert line.get_buffer("mean").tolist() == [8, 8]
        assert ("mean" in line.state_dict()) is persistent


def test_a_parameter_may_be_named_as_a_method_of_the_holder():
    line = Line()
    line.values = Parameter(2.0)
    register_parametrization(line, "values", Exp())
    assert float(line.values) == pytest.approx(2)
    assert "parametrizations.values.original" in names(line)


def test_one_parametrization_may_serve_two_attributes():
    line, shared = Line(), Scale()
    register_parametrization(line, "weight", shared)
    register_parametrization(line, "bias", shared)
    assert line.parametrizations.weight[0] is line.parametrizations.bias[0]
    assert names(line).count("parametrizations.weight.0.k") == 1
    assert len(names(line)) == 3


def test_the_mode_of_the_module_is_taken_over():
    line = Line().eval()
    parametrization = Exp()
    register_parametrization(line, "weight", parametrization)
    assert not parametrization.training
    assert not line.parametrizations.weight.training


def test_deepcopy_and_state_round_trip():
    line = Line(3.0)
    register_parametrization(line, "weight", Positive())
    twin = copy.deepcopy(line)
    twin.weight = jnp.full((2, 2), 7.0)
    assert float(line.weight[0, 0]) == pytest.approx(3)
    assert float(twin.weight[0, 0]) == pytest.approx(7)
    line.load_state_dict(twin.state_dict())
    assert jnp.array_equal(line.weight, twin.weight)


def test_assignment_inside_a_transformation_is_carried_back():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())

    @gradion.jit
    def halve(line):
        line.weight = line.weight / 2

    halve(line)
    np.testing.assert_allclose(line.weight, np.full((2, 2), 1.5), rtol=1e-15)


def test_assignment_inside_bare_jit_raises():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())

    def halve(line):
        line.weight = line.weight / 2

    with pytest.raises(TransformError, match=r"Line\.weight"):
        jax.jit(halve)(line)
    with pytest.raises(TransformError):
        jax.jit(lambda: halve(line))()
    np.testing.assert_allclose(line.weight, np.full((2, 2), 3.0), rtol=1e-15)


def test_registering_inside_bare_jit_raises():
    line = Line(3.0)
    with pytest.raises(TransformError):
        jax.jit(lambda line: register_parametrization(line, "weight", Exp()).weight)(line)
    assert not is_parametrized(line)


def test_a_hook_of_a_parametrization_runs():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    with line.parametrizations.weight[0].register_forward_hook(lambda m, args, out: out + 1):
        assert float(line.weight[0, 0]) == pytest.approx(4)
