"""A Module that gradion.jit's function captures is a constant, and a call of it is warned of."""

import warnings

import jax
import pytest

import gradion

from ..transform_models import Counter


class Still(Counter):
    """Writes nothing."""

    def forward(self, x):
        return self.scale * x


def test_a_captured_module_is_warned_of():
    module = Still()
    with pytest.warns(UserWarning, match="a Still is called.*no argument"):
        assert gradion.jit(lambda x: module(x))(1.0) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradion.jit(lambda m, x: m(x))(module, 1.0)
        gradion.jit(module)(1.0)
        gradion.jit(lambda x: Still()(x))(1.0)
        jax.jit(lambda x: module(x))(1.0)
        module(1.0)
