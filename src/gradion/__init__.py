"""gradion: one differentiable stack from molecule to battery pack, on JAX.

Importing this package switches JAX's 64-bit mode on (`jax_enable_x64`): a cell model or an
Ewald sum in single precision is silently wrong. Domains are imported by the user, not here.
"""

import jax

# Before any gradion module can make an array: x64 must be on from the first one.
jax.config.update("jax_enable_x64", True)

from gradion.module import Module, Parameter  # noqa: E402

__all__ = ["Module", "Parameter", "__version__"]

__version__ = "0.1.0"
