"""Whether anything but a Module refers to an array: only then may its memory be given away."""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["ONE_OWNER", "copy_if_shared"]


def _counts(items: list[Any]) -> list[int]:
    return list(map(sys.getrefcount, items))


def _count_of_one_owner() -> int:
    """The count for an object that one Module and the list asked about refer to."""
    owner = [object()]
    return _counts([owner[0]])[0]


ONE_OWNER = _count_of_one_owner()


def copy_if_shared(arrays: list[Any]) -> None:
    """Replace, in the list, arrays that more than one Module refers to by copies of them.

    Each array must be referred to by its Module's slot and by this list, and by nothing else
    of the caller: a variable of the user, a state_dict or another Module is then one more.
    """
    counts = _counts(arrays)
    if max(counts, default=0) <= ONE_OWNER:
        return
    for i, count in enumerate(counts):
        if count > ONE_OWNER and not isinstance(arrays[i], jax.core.Tracer):
            arrays[i] = jnp.array(arrays[i], copy=True)
