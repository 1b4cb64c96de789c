"""An array on its way to become a buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

__all__ = ["Buffer"]


@final
@dataclass(frozen=True, eq=False)
class Buffer:
    """Marks an array: assigned to an attribute of a Module it is registered there as a buffer.

    `self.mean = Buffer(jnp.zeros(3))` does what `self.register_buffer("mean", jnp.zeros(3))`
    does, and more: over a name that is registered it replaces what is there. Reading the attribute
    gives the array. A buffer that is not `persistent` is left out of `state_dict`. Raises
    TypeError for what is no array.
    """

    array: jax.Array | np.ndarray
    persistent: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.array, (jax.Array, np.ndarray, np.generic)):
            raise TypeError(f"Buffer: got {type(self.array).__name__}, expected an array")

    def __array__(self, *_: Any, **__: Any) -> Any:
        # Without this numpy, and JAX through it, would make an object array of the marker.
        raise TypeError("a Buffer is not an array; assign it to a Module, or use its .array")
