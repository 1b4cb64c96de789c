"""Sizes that are not known: their expressions, and what is none."""

from __future__ import annotations

import jax
import pytest

from gradion.foundation.compat.dimension import neutral_shape, symbolic_shape
from gradion.foundation.dimension import Dimension, shape_text
from gradion.foundation.errors import InputError

EXPRESSIONS = {
    "b": 7,
    "2*b + 1": 15,
    "b^2 - b": 42,
    "floordiv(b, 2)": 3,
    "mod(b, 4)": 3,
    "max(b, 9)": 9,
    "min(b, 9)": 7,
    "-1*b + 9": 2,
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_has_its_value(text):
    assert Dimension(text).at({"b": 7}) == EXPRESSIONS[text]
    assert Dimension(text).names == {"b"}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_jax_means_the_same_by_it(text):
    (size,) = symbolic_shape((Dimension(text),))
    (again,) = neutral_shape((size,))
    assert again.at({"b": 7}) == EXPRESSIONS[text]
    # An unknown of JAX can stand for the unknown.
    (b,) = symbolic_shape((Dimension("b"),))
    assert Dimension(text).at({"b": b}) == size


@pytest.mark.parametrize(
    "text", ["b +", "__import__('os')", "b.c", "b[0]", "1.5*b", "max(b)", "b if b else 1", "b^99",
             "floordiv(b, 0)", "lambda: 1", "b+" * 900 + "b", "b and 1"]
)  # fmt: skip
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(InputError):
        Dimension(text).at({"b": 7})


def test_an_unknown_without_a_value_is_named():
    with pytest.raises(InputError, match=r"the size 'n' of '2\*n' is not known"):
        Dimension("2*n").at({"m": 1})


def test_numbers_stay_numbers():
    assert symbolic_shape((3, 4)) == (3, 4)
    assert neutral_shape(jax.numpy.ones((3, 4)).shape) == (3, 4)
    assert shape_text((Dimension("n"),)) == "(n,)"
