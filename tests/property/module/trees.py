"""Random trees of Modules: nested, shared, with every kind of entry that a Module has."""

from typing import final

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from gradion import Module, Parameter
from gradion.module import LogNormalPrior, NormalPrior

__all__ = ["Affine", "Branch", "Running", "module_trees"]

# Few, so that compiled code serves many trees; all broadcast against (2,).
_SHAPES = ((), (1,), (2,))
# Halves and quarters: sums of them are exact in any order, so results may be compared by ==.
_NUMBERS = st.integers(-8, 8).map(lambda number: number / 4)
_UNITS = ("1", "m", "A/m^2")
_PRIORS = st.sampled_from([None, NormalPrior(0.5, 2.0), LogNormalPrior(2.0, 0.25)])


@final
class Affine(Module):
    """`weight * x + bias + shift`: two Parameters, the second may be None, and a buffer."""

    def __init__(self, weight, bias, shift, *, persistent):
        super().__init__()
        self.weight = weight
        self.register_parameter("bias", bias)
        self.register_buffer("shift", shift, persistent=persistent)

    def forward(self, x):
        y = self.weight * x + self.shift
        return y if self.bias is None else y + self.bias


@final
class Running(Module):
    """Scales, and keeps a running mean in a buffer and a count in another while training."""

    def __init__(self, scale, mean, *, persistent):
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", mean, persistent=persistent)
        self.register_buffer("count", jnp.array(0))
        self.register_buffer("nothing", None)
        self.offset = jnp.array(0.25)  # neither Parameter nor buffer

    def forward(self, x):
        y = self.scale * x + self.offset
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * y
            self.count = self.count + 1
        return y + self.mean


@final
class Branch(Module):
    """Sum over its children and a Parameter; children may be None or stand under two names."""

    def __init__(self, own, children, tag):
        super().__init__()
        self.register_parameter("own", own)
        self.tag = tag
        for index, child in enumerate(children):
            self.register_module(f"child{index}", child)

    def forward(self, x):
        y = x if self.own is None else self.own + x
        for child in self.children():
            y = y + 0.5 * child(x)
        return y


@st.composite
def _parameters(draw):
    unit = draw(st.sampled_from(_UNITS))
    value = np.full(draw(st.sampled_from(_SHAPES)), draw(_NUMBERS))
    bounds = draw(st.sampled_from([None, (-2.0, 2.0), (None, 3.0), (-4.0, None)]))
    return Parameter(
        value,
        unit=unit,
        bounds=bounds,
        prior=draw(_PRIORS),
        source=draw(st.sampled_from([None, "a book", "p. 3, \u00a7 2"])),
        trainable=draw(st.booleans()),
    )


@st.composite
def module_trees(draw, *, depth=3, width=3):
    """A Branch of up to `depth` levels, called with an array of shape (2,); float64 throughout.

    Parameters and Modules, whole branches too, are shared within the tree; some places are
    None; some buffers are not persistent. `forward` depends on every Parameter and buffer, and
    in training mode, in which half of the trees are, changes those of each `Running`.
    """
    parameters: list[Parameter] = []
    modules: list[Module] = []

    def parameter():
        if parameters and draw(st.integers(0, 3)) == 0:
            return draw(st.sampled_from(parameters))
        parameters.append(draw(_parameters()))
        return parameters[-1]

    def maybe_parameter():
        return parameter() if draw(st.booleans()) else None

    def leaf():
        persistent = draw(st.booleans())
        if draw(st.booleans()):
            shift = jnp.full(draw(st.sampled_from(_SHAPES)), draw(_NUMBERS))
            return Affine(parameter(), maybe_parameter(), shift, persistent=persistent)
        # Of the shape of what is written into it: one shape a buffer, as under scan.
        mean = jnp.full((2,), draw(_NUMBERS))
        return Running(parameter(), mean, persistent=persistent)

    def child(level):
        kind = draw(st.sampled_from(["leaf", "leaf", "branch", "shared", "none"]))
        if kind == "none":
            return None
        if kind == "shared" and modules:
            return draw(st.sampled_from(modules))
        made = branch(level - 1) if kind == "branch" and level > 1 else leaf()
        modules.append(made)
        return made

    def branch(level):
        children = [child(level) for _ in range(draw(st.integers(0, width)))]
        return Branch(maybe_parameter(), children, draw(st.sampled_from([0, 1.5, "x", (1, "y")])))

    tree = branch(depth)
    return tree.train(draw(st.booleans()))
