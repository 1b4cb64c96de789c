"""Values of variables, and how a run replaces them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from typing import Any, final

import jax

__all__ = ["VariableStore"]


@final
class VariableStore:
    """Values by the names of variables.

    Who changes values holds `lock` from before it looks at them; who only reads needs no lock, but
    may find that a buffer was taken over by a run in another thread since.
    """

    __slots__ = ("_found", "_names", "_others", "_values", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # Replaced as a whole, never changed: who holds it sees one moment.
        self._values: dict[str, jax.Array] = {}
        # Results of a call that are not among the values yet, and what they are.
        self._found: list[list[jax.Array]] = []
        self._names: Sequence[str] = ()
        self._others: Mapping[str, jax.Array] = {}

    def current(self) -> dict[str, jax.Array]:
        """The values; not to be changed."""
        if self._found:
            with self.lock:
                self._settle()
        return self._values

    def keep(self, values: Mapping[str, jax.Array]) -> None:
        """Give variables new values, all at once; the lock is held."""
        self._values = {**self.current(), **values}

    def call_and_keep(
        self,
        call: Callable[..., list[jax.Array]],
        inputs: Sequence[Any],
        names: Sequence[str],
        others: Mapping[str, jax.Array],
    ) -> list[jax.Array]:
        """Call a function; its first results are new values of `names`, `others` those of others.

        The lock is held since `current` was looked at. The function may take over buffers of values
        that it replaces: from then on its results are all that there is. Python can raise
        KeyboardInterrupt between any two steps of its own, and would lose them; so they are put
        into a list of the store without such a step, and found there by whoever looks next.
        """
        self._names, self._others = names, others
        self._found.extend(starmap(call, (inputs,)))
        return self._settle()

    def drop_lost(self) -> None:
        """Forget values whose buffers a call took over that then failed; the lock is held."""
        self._values = {k: v for k, v in self.current().items() if not v.is_deleted()}

    def clear(self) -> None:
        """Forget all values."""
        with self.lock:
            self._found.clear()
            self._values = {}

    def _settle(self) -> list[jax.Array]:
        """Put what was found among the values; the same again if it was interrupted."""
        if not self._found:
            return []
        found = self._found[0]
        values = self._values.copy()
        values.update(zip(self._names, found, strict=False))
        values.update(self._others)
        self._values = values
        self._found.clear()
        return found
