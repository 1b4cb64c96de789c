"""Small Modules for the tests of transformations."""

import jax.numpy as jnp

from gradion import Buffer, Module, Parameter


class Counter(Module):
    """`scale * x`, counting its calls and remembering the last sum."""

    def __init__(self, scale=2.0):
        super().__init__()
        self.scale = Parameter(scale)
        self.frozen = Parameter(1.0, trainable=False)
        self.calls = Buffer(jnp.zeros((), jnp.int32))
        self.last = Buffer(jnp.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        self.last = jnp.sum(self.scale * x)
        return self.scale * self.frozen * x


class Pair(Module):
    def __init__(self, *, share=False):
        super().__init__()
        self.left = Counter(2.0)
        self.right = Counter(3.0)
        if share:
            self.right.scale = self.left.get_parameter("scale")

    def forward(self, x):
        return self.right(self.left(x))


def loss(module, x):
    return jnp.sum(module(x) ** 2)
