"""Errors that a user can mend, told in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "near_names", "unknown_name"]

# Below this similarity (difflib's ratio) a suggestion is a guess, not a near name.
_NEAR_CUTOFF = 0.6


class InputError(ValueError):
    """Input that cannot be used, with where it stands and how to mend it.

    ``str(error)`` is one line, ``<where>: <what>; <mend>``; parts that are None are left out.
    Line breaks and runs of blanks inside a part become one blank, so that a message taken from
    another program stays on the line.
    """

    what: str
    where: str | None
    mend: str | None

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what = _one_line(what)
        self.where = None if where is None else _one_line(where)
        self.mend = None if mend is None else _one_line(mend)
        super().__init__(self.what)

    def __str__(self) -> str:
        """Return the message on one line."""
        head = "" if self.where is None else f"{self.where}: "
        tail = "" if self.mend is None else f"; {self.mend}"
        return f"{head}{self.what}{tail}"

    def __reduce__(self) -> tuple[object, ...]:
        """Copy across processes: the default would lose the keyword-only parts."""
        return _rebuild, (type(self), self.what, self.where, self.mend)


def near_names(name: str, known: Iterable[str], *, limit: int = 5) -> tuple[str, ...]:
    """Return the known names most like ``name``, the nearest first.

    Case does not count. A known name that begins with ``name`` is near, whatever its length.
    At most ``limit`` names are returned; the result is empty where none is near.
    Raises ValueError if ``limit`` is negative.
    """
    if limit < 0:
        raise ValueError(f"limit: got {limit}, expected 0 or more")
    wanted = name.lower()
    scored = [(_likeness(wanted, candidate.lower()), candidate) for candidate in set(known)]
    near = sorted((-score, candidate) for score, candidate in scored if score >= _NEAR_CUTOFF)
    return tuple(candidate for _, candidate in near[:limit])


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, where: str | None = None
) -> InputError:
    """Return (not raise) the error for a name that is not in ``known``.

    The message lists the near names; without any it lists the first of those known.
    """
    names = sorted(set(known))
    near = near_names(name, names)
    if near:
        mend = "did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
    elif names:
        more = ", ..." if len(names) > 10 else ""
        mend = "expected one of " + ", ".join(repr(known_) for known_ in names[:10]) + more
    else:
        mend = "none is known here"
    return InputError(f"unknown {kind} {name!r}", where=where, mend=mend)


def _likeness(wanted: str, candidate: str) -> float:
    """Return the similarity of two lower-case names, 0 to 1."""
    if wanted and candidate.startswith(wanted):
        return 1.0
    return difflib.SequenceMatcher(None, wanted, candidate).ratio()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _rebuild(cls: type[InputError], what: str, where: str | None, mend: str | None) -> InputError:
    return cls(what, where=where, mend=mend)
