"""gradion: one differentiable stack from molecule to battery pack, on JAX.

Importing this package switches JAX's 64-bit mode on (`jax_enable_x64`): a cell model or an
Ewald sum in single precision is silently wrong. Domains are imported by the user, not here.
"""

import jax

# Before any gradion module can make an array: x64 must be on from the first one.
jax.config.update("jax_enable_x64", True)

from gradion.module import Buffer, Module, Parameter, detect_anomaly  # noqa: E402
from gradion.module.transforms import (  # noqa: E402
    backward,
    checkpoint,
    grad,
    jit,
    jvp,
    scan,
    value_and_grad,
    vmap,
)

__all__ = [
    "Buffer",
    "Module",
    "Parameter",
    "__version__",
    "backward",
    "checkpoint",
    "detect_anomaly",
    "grad",
    "jit",
    "jvp",
    "scan",
    "value_and_grad",
    "vmap",
]

__version__ = "0.1.0"
