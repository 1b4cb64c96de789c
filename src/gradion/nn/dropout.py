"""Random zeros in training."""

from __future__ import annotations

from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gradion.foundation.errors import InputError
from gradion.module.module import Module

__all__ = ["Dropout"]


@final
class Dropout(Module):
    """In training, sets each entry to zero with probability `p` and divides the others by 1 - p.

    The identity in evaluation. The random key is a buffer that each call in training moves on:
    call it through gradion's transformations, which carry buffers back. Unless `persistent`, it is
    no part of `state_dict`, as in PyTorch, whose random state stands apart: a state then loads
    across the two, but training that goes on from it repeats the masks that it began with.
    Raises InputError for `p` outside 0 .. 1.
    """

    key: Key[Array, ""]

    def __init__(self, p: float = 0.5, *, key: Key[Array, ""], persistent: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise InputError(f"Dropout: got p={p!r}, expected a probability from 0 to 1")
        self.p = p
        self.register_buffer("key", key, persistent)

    def forward(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        if not self.training:
            return x
        self.key, key = jax.random.split(self.key)
        if self.p == 1:
            return jnp.zeros_like(x)
        kept = jax.random.bernoulli(key, 1 - self.p, x.shape)
        return jnp.where(kept, x / (1 - self.p), 0)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p:g}"
