"""Unit, bounds, prior, source and trainability of a parametrised Parameter."""

import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import NormalPrior
from gradion.module.parametrizations import (
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


class Exp(Module):
    def forward(self, x):
        return jnp.exp(x)

    def right_inverse(self, y):
        return jnp.log(y)


class Double(Module):
    def forward(self, x):
        return 2 * x


def test_the_description_is_set_aside_and_comes_back():
    line = Line(3.0)
    meta = line.get_parameter("weight").meta
    register_parametrization(line, "weight", Exp())
    original = line.get_parameter("parametrizations.weight.original")
    assert (original.unit, original.bounds, original.prior) == ("1", None, None)
    assert original.source == "a table"
    assert line.parametrizations.weight.description == meta
    assert "unit='m', bounds=(0, 10)" in repr(line)
    remove_parametrizations(line, "weight")
    assert line.get_parameter("weight").meta == meta


def test_the_description_stays_where_the_original_is_the_same_quantity():
    line = Line(3.0)
    meta = line.get_parameter("weight").meta
    register_parametrization(line, "weight", Double())
    assert line.get_parameter("parametrizations.weight.original").meta == meta
    assert line.parametrizations.weight.description is None


def test_bounds_hold_for_what_is_assigned():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    with pytest.raises(InputError, match=r"Line.weight: .*11.* outside its bounds \(0, 10\)"):
        line.weight = jnp.full((2, 2), 11.0)
    assert float(line.weight[0, 0]) == pytest.approx(3)


def test_removal_outside_the_bounds_says_how_to_mend():
    line = Line(3.0)
    register_parametrization(line, "weight", Exp())
    line.get_parameter("parametrizations.weight.original").value = np.full((2, 2), 5.0)
    with pytest.raises(InputError, match="description"):
        remove_parametrizations(line, "weight")
    assert is_parametrized(line, "weight")


def test_trainable_goes_both_ways():
    line = Line()
    line.get_parameter("weight").trainable = False
    register_parametrization(line, "weight", Exp())
    original = line.get_parameter("parametrizations.weight.original")
    assert not original.trainable
    original.trainable = True
    remove_parametrizations(line, "weight")
    assert line.get_parameter("weight").trainable
