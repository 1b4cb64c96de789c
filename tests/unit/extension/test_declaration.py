"""Declarations of operators: what is refused, and what follows from what is said."""

import jax.numpy as jnp
import pytest

from gradion.extension.array import Array, OneOf
from gradion.extension.declaration import SecondDerivative
from gradion.extension.library import Target
from gradion.extension.operator import Operator

REAL = OneOf(jnp.float32, jnp.float64)
X = Array("x", jnp.float64, ("n",))
Y = Array("y", jnp.float64, ("n",))
# Never called here: declaring an operator touches nothing native.
TARGET = Target("none", "None", frozenset({"cpu"}))


def declare(**changes):
    given = {"inputs": (X,), "outputs": (Y,), "forward": TARGET}
    return Operator("f", **{**given, **changes})


def test_floating_arrays_are_differentiable_and_integers_are_not():
    assert Array("a", REAL).differentiable
    assert not Array("i", jnp.int32).differentiable
    assert not Array("a", jnp.float32, differentiable=False).differentiable


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("2x", jnp.float32), ValueError, "identifier"),
        (("x", jnp.float32, ["n"]), TypeError, "tuple"),
        (("x", jnp.float32, ("n m",)), ValueError, "n m"),
        (("x", jnp.float32, (-1,)), ValueError, "negative"),
        (("x", jnp.float32, (1.5,)), TypeError, "number or a name"),
    ],
)
def test_an_array_that_cannot_be_is_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        Array(*arguments)


def test_an_integer_array_cannot_be_declared_differentiable():
    with pytest.raises(ValueError, match="int32 cannot be differentiable"):
        Array("i", jnp.int32, differentiable=True)


def test_a_choice_of_one_dtype_is_refused():
    with pytest.raises(ValueError, match="two or more"):
        OneOf(jnp.float32, "float32")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"inputs": ()}, "at least one input"),
        ({"outputs": (X,)}, "name 'x' is used for two"),
        ({"outputs": (Array("y", jnp.float64, ("m",)),)}, "dimension 'm'"),
        ({"outputs": (Array("y", REAL, ("n",)),)}, "no input says which"),
        ({"forward": None}, "forward=, reference="),
        ({"saving": TARGET}, "saving= writes residuals"),
        ({"attributes": {"n": int}}, "an attribute and a dimension"),
        ({"inputs": (Array("x", jnp.int32, ("n",)),), "jvp": TARGET}, "jvp= is given"),
        ({"forward": {jnp.float64: TARGET}}, "one OneOf"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        declare(**changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"inputs": [X]}, "tuple of Array"),
        ({"forward": "target"}, "expected a Target"),
        ({"jvp": {jnp.float64: "target"}}, "expected a Target"),
        ({"attributes": {"a": complex}}, "int, float, bool or str"),
    ],
)
def test_what_is_of_the_wrong_type_is_refused(changes, match):
    with pytest.raises(TypeError, match=match):
        declare(**changes)


def test_an_empty_second_derivative_is_refused():
    with pytest.raises(ValueError, match="jvp=, vjp= or both"):
        SecondDerivative()


def test_an_output_that_is_a_residual_is_written_once():
    gate = Array("gate", jnp.float64, ("n",))
    declared = declare(residuals=(Y, gate)).declaration
    assert declared.extras == (gate,)
    assert declared.residuals == (Y, gate)


def test_an_int_attribute_gives_a_size():
    operator = Operator(
        "spread",
        inputs=(X,),
        outputs=(Array("y", jnp.float64, ("steps", "n")),),
        attributes={"steps": int},
        reference=lambda x, *, steps: jnp.tile(x, (steps, 1)),
    )
    assert operator(jnp.ones(3), steps=2).shape == (2, 3)


def test_sizes_gives_a_size_and_holds_the_inputs_to_it():
    operator = Operator(
        "gates",
        inputs=(Array("w", jnp.float64, ("gates",)), Array("h", jnp.float64, ("state",))),
        outputs=(Array("y", jnp.float64, ("half",)),),
        sizes=lambda known: {"gates": 3 * known["state"], "half": known["state"] // 2},
        reference=lambda w, h: w[: h.size // 2],
    )
    assert operator(jnp.ones(12), jnp.ones(4)).shape == (2,)
    with pytest.raises(ValueError, match="'gates' is 11 in 'w'; expected 12"):
        operator(jnp.ones(11), jnp.ones(4))


def test_the_signature_can_be_read():
    assert repr(declare()) == "Operator('f': float64 x[n] -> float64 y[n])"
