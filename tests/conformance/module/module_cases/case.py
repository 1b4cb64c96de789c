"""What a case is, and how its outcome is compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["CASES", "Case", "case", "difference", "run"]

# Both run in double precision, or on numbers that single precision holds; sums are short.
RELATIVE = 1e-6


@dataclass(frozen=True)
class Case:
    """A script for both libraries.

    `differs`: why gradion's outcome is not torch's, where that is by design; `ours` is then
    gradion's outcome.
    """

    name: str
    script: Callable[[Any], Any]
    differs: str | None = None
    ours: Any = None


CASES: dict[str, Case] = {}


def case(
    script: Callable[[Any], Any] | None = None, *, differs: str | None = None, ours: Any = None
) -> Any:
    """Register a script under its topic (the file) and its name."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        topic = function.__module__.rpartition(".")[2]
        name = f"{topic}.{function.__name__}"
        if name in CASES:
            raise ValueError(f"case {name} is defined twice")
        CASES[name] = Case(name, function, differs, ours)
        return function

    return register if script is None else register(script)


def run(name: str, library: Any) -> Any:
    """Outcome of a case as JSON data; an error that the script lets out is an outcome too."""
    try:
        return library.plain(CASES[name].script(library))
    except Exception as error:
        return {"raises": library.error_names(error), "text": str(error)}


def difference(expected: Any, got: Any, path: str = "outcome") -> str | None:
    """Where `got` is not `expected`, in words; None if nowhere.

    An error is as expected if it is an instance of the builtin class expected, the first one
    in the list of names.
    """
    if isinstance(expected, dict) and "raises" in expected:
        names = got.get("raises", ()) if isinstance(got, dict) else ()
        wanted = expected["raises"][0]
        return None if wanted in names else f"{path}: expected {wanted}, got {got!r}"
    if isinstance(expected, dict) and isinstance(got, dict):
        if list(expected) != list(got):
            return f"{path}: expected keys {list(expected)}, got {list(got)}"
        return _first(difference(expected[key], got[key], f"{path}[{key!r}]") for key in expected)
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        return _first(difference(*pair, f"{path}[{index}]") for index, pair in pairs)
    if _is_number(expected) and _is_number(got):
        if type(expected) is type(got) and math.isclose(expected, got, rel_tol=RELATIVE):
            return None
    elif expected == got and type(expected) is type(got):
        return None
    return f"{path}: expected {expected!r}, got {got!r}"


def _first(found: Any) -> str | None:
    return next((text for text in found if text is not None), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
