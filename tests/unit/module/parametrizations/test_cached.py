"""`cached`: a parametrised attribute computed once, but never an old or a foreign value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.module.parametrizations import Positive, cached, register_parametrization


class Line(Module):
    def __init__(self, value=3.0):
        super().__init__()
        self.weight = Parameter(np.full((2, 2), value))


class Counted(Module):
    """Twice the original; notes each call."""

    def __init__(self, calls):
        super().__init__()
        self.note = lambda: calls.append(None)

    def forward(self, x):
        self.note()
        return 2 * x


def test_cached_computes_once():
    calls = []
    line = Line()
    register_parametrization(line, "weight", Counted(calls))
    calls.clear()
    line.weight, line.weight  # noqa: B018
    assert len(calls) == 2
    with cached():
        first = line.weight
        with cached():
            assert line.weight is first
        assert line.weight is first
    assert len(calls) == 3
    line.weight  # noqa: B018
    assert len(calls) == 4


def test_cached_never_gives_an_old_value():
    # PyTorch's does: it looks at nothing.
    line = Line(3.0)
    register_parametrization(line, "weight", Positive())
    with cached():
        assert float(line.weight[0, 0]) == pytest.approx(3)
        line.weight = jnp.full((2, 2), 5.0)
        assert float(line.weight[0, 0]) == pytest.approx(5)
        line.get_parameter("parametrizations.weight.original").value = np.zeros((2, 2))
        assert float(line.weight[0, 0]) == 1


def test_cached_keeps_transformations_apart():
    line = Line(3.0)
    register_parametrization(line, "weight", Positive())
    with jax.checking_leaks(), cached():
        inside = jax.jit(lambda: line.weight.sum() + line.weight[0, 0])()
        grads = jax.grad(lambda line: line.weight.sum())(line)
        outside = line.weight.sum()
    assert float(inside) == pytest.approx(15)
    assert float(outside) == pytest.approx(12)
    assert float(grads.parametrizations.weight.original[0, 0]) == pytest.approx(3)


def test_cached_works_inside_a_transformation():
    calls = []
    line = Line()
    register_parametrization(line, "weight", Counted(calls))
    calls.clear()

    def f(line):
        with cached():
            return line.weight.sum() + line.weight[0, 0]

    assert float(jax.jit(f)(line)) == 30
    assert len(calls) == 1
