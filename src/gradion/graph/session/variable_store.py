"""Values of variables, and how a run replaces them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from typing import Any, Final, TypeVar, final

import jax

__all__ = ["Values", "VariableStore"]

Values = Mapping[str, jax.Array]
_T = TypeVar("_T")
# How often a run that wants buffers asks whether others still read them [s].
_PAUSE: Final = 2e-5


@final
class VariableStore:
    """Values by the names of variables.

    Who changes values holds `lock` from before it looks at them. Who reads them takes no lock, but
    says so, and goes ahead unless a run is about to take over buffers; such a run first says so,
    and then waits until nobody reads any more. Each side speaks before it looks at the other, so
    that one of them at least sees the other.
    """

    __slots__ = ("_found", "_names", "_others", "_readers", "_taking", "_values", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # Replaced as a whole, never changed: who holds it sees one moment.
        self._values: dict[str, jax.Array] = {}
        # Threads that read. What an interrupt left behind is of the thread's own next run.
        self._readers: dict[int, None] = {}
        self._taking = False
        # Results of a call that are not among the values yet, and what they are.
        self._found: list[list[jax.Array]] = []
        self._names: Sequence[str] = ()
        self._others: Values = {}

    def current(self) -> Values:
        """The values; the lock is held."""
        if self._found:
            self._settle()
        return self._values

    def read(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """`work(values, *arguments)`; until it returns no buffer of the values is taken over."""
        thread = threading.get_ident()
        try:
            self._readers[thread] = None
            if not (self._taking or self._found):
                return work(self._values, *arguments)
        finally:
            self._readers.pop(thread, None)
        with self.lock:
            return work(self.current(), *arguments)

    def keep(self, values: Values) -> None:
        """Give variables new values, all at once; the lock is held."""
        self._values = {**self.current(), **values}

    def call_and_keep(
        self,
        call: Callable[..., list[jax.Array]],
        inputs: Sequence[Any],
        names: Sequence[str],
        others: Values,
    ) -> list[jax.Array]:
        """Call a function; its first results are new values of `names`, `others` those of others.

        The lock is held since `current` was looked at. The function may take over buffers of values
        that it replaces: from then on its results are all that there is. Python can raise
        KeyboardInterrupt between any two steps of its own, and would lose them; so they are put
        into a list of the store without such a step, and found there by whoever looks next.
        """
        self._names, self._others = names, others
        self._taking = True
        try:
            if self._readers:
                self._wait_for_readers()
            self._found.extend(starmap(call, (inputs,)))
            return self._settle()
        finally:
            self._taking = False

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
        found = self._found[0]
        values = self._values.copy()
        values.update(zip(self._names, found, strict=False))
        values.update(self._others)
        self._values = values
        self._found.clear()
        return found

    def _wait_for_readers(self) -> None:
        thread = threading.get_ident()
        while any(reader != thread for reader in tuple(self._readers)):
            time.sleep(_PAUSE)
