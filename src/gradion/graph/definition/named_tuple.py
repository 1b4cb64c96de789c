"""A tuple whose entries have names, without a class made for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

import jax

__all__ = ["NamedTuple"]


@final
class NamedTuple(tuple[Any, ...]):
    """What a namedtuple is after loading: its class may not be there, and no code is made of names.

    It unpacks and indexes as a tuple; an entry is an attribute as well, where its name is none of
    a tuple's own. `names` are in order. To JAX it is a tree.
    """

    names: tuple[str, ...]

    def __new__(cls, entries: Iterable[Any], names: tuple[str, ...]) -> NamedTuple:
        """Raises ValueError unless there is a name for each entry."""
        made = super().__new__(cls, entries)
        if len(names) != len(made):
            raise ValueError(f"names: got {len(names)}, expected {len(made)}")
        made.names = names
        return made

    def __getattr__(self, name: str) -> Any:
        """The entry of this name; raises AttributeError if there is none."""
        names = self.__dict__.get("names", ())
        if name not in names:
            raise AttributeError(name)
        return self[names.index(name)]

    def __repr__(self) -> str:
        """Return it with the names."""
        inside = ", ".join(f"{n}={x!r}" for n, x in zip(self.names, self, strict=True))
        return f"NamedTuple({inside})"


# Without it, JAX takes a tuple of another class for an array.
jax.tree_util.register_pytree_node(
    NamedTuple, lambda t: (tuple(t), t.names), lambda names, entries: NamedTuple(entries, names)
)
