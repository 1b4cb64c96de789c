"""A value in a JSON text that knows its place, and is looked at strictly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

from gradion.foundation.errors import InputError

__all__ = ["JsonEntry", "is_label"]

# Names of operations, scopes and inputs; longer ones are no names.
_LONGEST: Final = 1000
# Beyond them, an integer is no value of any dtype.
_LOWEST_INTEGER: Final = -(2**63)
_HIGHEST_INTEGER: Final = 2**64 - 1


def is_label(text: str) -> bool:
    """Whether a name can stand on one line of any text: printable, at most 1,000 characters.

    A backslash is none of a name: at the end of a comment of C++ it would hide the next line.
    """
    return len(text) <= _LONGEST and text.isprintable() and "\\" not in text


@final
@dataclass(frozen=True, eq=False)
class JsonEntry:
    """A value, and where it stands: `root` names the text, `path` the way to the value."""

    value: Any
    root: str
    path: tuple[str | int, ...] = ()

    def error(self, what: str, *, mend: str | None = None) -> InputError:
        """Return (not raise) the error about this value."""
        where = ".".join(map(str, self.path))
        return InputError(f"{where}: {what}" if where else what, where=self.root, mend=mend)

    def at(self, value: Any, key: str | int) -> JsonEntry:
        """A value inside of this one."""
        return JsonEntry(value, self.root, (*self.path, key))

    def fields(
        self, required: tuple[str, ...], optional: tuple[str, ...] = (), *, others: bool = False
    ) -> dict[str, JsonEntry]:
        """The values of an object; with `others`, keys that are not known are left out."""
        pairs = self.pairs()
        missing = [key for key in required if key not in pairs]
        if missing:
            raise self.error(f"has no {missing[0]!r}")
        unknown = sorted(pairs.keys() - {*required, *optional})
        if unknown and not others:
            raise self.error(f"has the unknown entry {unknown[0][:100]!r}")
        return {key: entry for key, entry in pairs.items() if key not in unknown}

    def pairs(self) -> dict[str, JsonEntry]:
        """The entries of an object of any keys."""
        if not isinstance(self.value, dict):
            raise self._expected("an object")
        return {key: self.at(value, key[:100]) for key, value in self.value.items()}

    def items(self) -> Iterator[JsonEntry]:
        """The values of an array."""
        if not isinstance(self.value, list):
            raise self._expected("an array")
        return (self.at(value, i) for i, value in enumerate(self.value))

    def text(self) -> str:
        """A text of any characters that UTF-8 can hold."""
        if not isinstance(self.value, str):
            raise self._expected("a text")
        # JSON can spell halves of characters.
        if not self.value.isascii() and any("\ud800" <= c <= "\udfff" for c in self.value):
            raise self.error("is no text in UTF-8")
        return self.value

    def label(self, *, empty: bool = False) -> str:
        """A name: see `is_label`."""
        text = self.text()
        if not is_label(text) or not (text or empty):
            raise self.error(f"expected a name on one line, got {text[:100]!r}")
        return text

    def integer(self, low: int = _LOWEST_INTEGER, high: int = _HIGHEST_INTEGER) -> int:
        """An integer in these bounds; true is none."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self._expected("an integer")
        if not low <= self.value <= high:
            raise self.error(f"expected an integer from {low} to {high}")
        return self.value

    def _expected(self, what: str) -> InputError:
        return self.error(f"expected {what}, got {_told(self.value)}")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, int) and not isinstance(value, bool):
        return "an integer"  # to print one of 5,000 digits is an error of its own
    return repr(value)[:100]
