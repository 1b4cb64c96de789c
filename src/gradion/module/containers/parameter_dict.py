"""Parameters by key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any, Self, final

from gradion.foundation.errors import near_names
from gradion.module.containers.entries import as_entry, entry_of, entry_text
from gradion.module.containers.pairs import checked_pairs
from gradion.module.module import Module
from gradion.module.parameter import Parameter

__all__ = ["MissingEntryError", "ParameterDict"]


@final
class MissingEntryError(KeyError, AttributeError):
    """A ParameterDict has no such key: a KeyError as of a dict, an AttributeError as in PyTorch."""

    def __str__(self) -> str:
        # KeyError shows its message in quotes.
        return str(self.args[0])


@final
class ParameterDict(Module):
    """A dictionary of Parameters, in the order in which keys were added.

    Reading an entry gives its array, as reading an attribute does; `get_parameter(key)` gives
    the Parameter. An array under a new key becomes a Parameter of unit "1" (TypeError if it is
    not floating); any other value stays as it is, and must be hashable to be used in
    transformations. Replacing an entry takes a Parameter or None: an array raises TypeError, as
    assigning one to an attribute does, since the entry's unit and bounds would be lost (PyTorch
    makes a new Parameter of it).

    Made of a mapping, of pairs or of another ParameterDict, whose Parameters it then shares; the
    keys of a mapping that is no OrderedDict are added in sorted order, as in PyTorch. KeyError
    for a key that is empty, has a dot or is an attribute of every ParameterDict ("keys"),
    TypeError for what is no text, MissingEntryError for one that is missing.
    """

    _keys: tuple[str, ...]

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys = ()
        if parameters is not None:
            self.update(parameters)

    def update(self, parameters: Any) -> None:
        """Add or replace entries by key; an existing key keeps its place."""
        if isinstance(parameters, ParameterDict):
            given: Iterable[Any] = parameters._entries()
        elif isinstance(parameters, OrderedDict):
            given = parameters.items()
        elif isinstance(parameters, Mapping):
            given = sorted(parameters.items(), key=lambda item: item[0])
        else:
            given = parameters
        for key, value in checked_pairs(given, "ParameterDict.update"):
            self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """The entry, or `default` if the key is missing."""
        if key not in self:
            return default
        return self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry; if the key is missing, it is added with `default` first."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Delete a key and return its entry (of a Parameter the array)."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Delete the last key and return it with its entry; KeyError if there is none."""
        if not self._keys:
            raise KeyError("popitem: the ParameterDict is empty")
        key = self._keys[-1]
        return key, self.pop(key)

    def clear(self) -> None:
        """Delete all keys."""
        for key in reversed(self._keys):
            delattr(self, key)
        self._set_keys(())

    def copy(self) -> ParameterDict:
        """A ParameterDict with the same Parameters, shared."""
        return ParameterDict(self)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with `default` under each key."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        """The keys, in order."""
        return dict.fromkeys(self._keys).keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of key and entry."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The entries."""
        return (self[key] for key in self._keys)

    def __getitem__(self, key: str) -> Any:
        _require_text(key)
        if key not in self._parameters and key not in self:
            near = near_names(key, self._keys, limit=3)
            raise MissingEntryError(
                f"ParameterDict has no key {key!r}" + (f"; near: {', '.join(near)}" if near else "")
            )
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        _require_text(key)
        if key in self:
            setattr(self, key, value)
            return
        entry = as_entry(value)
        if isinstance(entry, Parameter):
            self.register_parameter(key, entry)
        else:
            # Checked as a Parameter's name would be: a plain attribute may have any name.
            self._check_name("key", key, {})
            setattr(self, key, entry)
        self._set_keys((*self._keys, key))

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise MissingEntryError(f"ParameterDict has no key {key!r}")
        delattr(self, key)
        place = self._keys.index(key)
        self._set_keys(self._keys[:place] + self._keys[place + 1 :])

    def __contains__(self, key: Any) -> bool:
        held = key in self._parameters or key in self.__dict__ or key in self._modules
        return held and key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __or__(self, other: Any) -> ParameterDict:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: Any) -> Any:
        merged = other.copy()
        merged.update(self)
        return merged

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        """One line an entry."""
        return "\n".join(entry_text(self, key) for key in self._keys if key not in self._modules)

    def _set_keys(self, keys: tuple[str, ...]) -> None:
        # Not by assignment, which looks at each item of a tuple: adding n keys would be quadratic.
        self._require_writable("_keys")
        self.__dict__["_keys"] = keys
        self._changed()

    def _entries(self) -> list[tuple[str, Any]]:
        return [(key, entry_of(self, key)) for key in self._keys]


def _require_text(key: Any) -> None:
    if not isinstance(key, str):
        raise TypeError(f"ParameterDict key: got {type(key).__name__}, expected text")
