"""The operator: its library, its declaration, its reference."""

from pathlib import Path

import jax.numpy as jnp

from gradion import nn
from gradion.extension import Array, Operator, load, load_prebuilt

__all__ = ["FLAGS", "lltm", "lltm_cell", "reference"]

HERE = Path(__file__).parent
# Nothing here looks at the floating-point exceptions that a branch not taken would raise, so that
# compilers may compute both branches and choose, in vectors.
FLAGS = ["-fno-trapping-math"]


def open_library():
    """What was built when the package was installed, else built now, for this very processor."""
    if (HERE / "lltm.so").exists():
        return load_prebuilt(HERE / "lltm.so")
    return load("lltm", HERE / "lltm.cc", cuda_sources=HERE / "lltm.cu", flags=FLAGS)


def reference(x, weight, bias, cell):
    """The same in JAX, from X = [h, x]: `nn.lltm_cell` joins the two itself."""
    _, state, columns = weight.shape
    h, rest = jnp.split(x, [state], axis=-1)
    return nn.lltm_cell(weight.reshape(3 * state, columns), bias.reshape(-1), rest, h, cell)


library = open_library()
lltm = Operator(
    "lltm",
    inputs=(
        Array("x", jnp.float32, ("batch", "columns")),
        Array("weight", jnp.float32, (3, "state", "columns")),
        Array("bias", jnp.float32, (3, "state")),
        Array("cell", jnp.float32, ("batch", "state")),
    ),
    outputs=(
        Array("new_h", jnp.float32, ("batch", "state")),
        Array("new_cell", jnp.float32, ("batch", "state")),
    ),
    residuals=(Array("saved", jnp.float32, (4, "state", "batch")),),
    forward=library.target("LltmForward"),
    saving=library.target("LltmSaving"),
    jvp=library.target("LltmJvp"),
    vjp=library.target("LltmVjp"),
    reference=reference,
)


def lltm_cell(weight, bias, x, old_h, old_cell):
    """As `gradion.nn.lltm_cell`: the same arguments, in float32, with one axis of examples."""
    state = old_h.shape[-1]
    joined = jnp.concatenate([old_h, x], axis=-1)
    return lltm(joined, weight.reshape(3, state, -1), bias.reshape(3, state), old_cell)
