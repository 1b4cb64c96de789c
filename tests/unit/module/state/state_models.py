"""Modules whose state the tests take and load."""

import jax.numpy as jnp
import numpy as np

from gradion import Module, Parameter

__all__ = ["Extra", "Leaf", "Tree", "values"]


class Leaf(Module):
    def __init__(self, value=1.0, **description):
        super().__init__()
        self.register_buffer("grid", jnp.arange(3))
        self.register_buffer("scratch", jnp.zeros(2), persistent=False)
        self.register_buffer("nothing", None)
        self.x = Parameter(value, **description)
        self.register_parameter("none", None)


class Tree(Module):
    _version = 2

    def __init__(self, value=1.0, *, share=False):
        super().__init__()
        self.first = Leaf(value)
        self.second = Leaf(2 * value, bounds=(0, 100))
        self.y = Parameter(np.full((2, 3), value), dtype=jnp.float32)
        if share:
            self.second.x = self.first.get_parameter("x")


class Extra(Module):
    def __init__(self, extra="first"):
        super().__init__()
        self.extra = extra
        self.x = Parameter(1.0)

    def get_extra_state(self):
        return self.extra

    def set_extra_state(self, state):
        if state == "bad":
            raise ZeroDivisionError
        self.extra = state


def values(module):
    return {name: np.asarray(array).tolist() for name, array in module.state_dict().items()}
