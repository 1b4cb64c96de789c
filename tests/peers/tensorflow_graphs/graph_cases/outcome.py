"""What a case gives, as JSON data, and the comparison of two such outcomes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

__all__ = ["attempt", "difference", "failure", "plain", "refused"]

# Sums and products are short and the functions are good to a few units in the last place, in
# either library; 64 units are still far below what another formula gives.
_ROUND_OFF: Final = {"float64": 64 * 2.0**-52, "float32": 64 * 2.0**-23, "float16": 64 * 2.0**-10}

# What went wrong, by the name of the class of an error (TensorFlow's first, then ours) and by what
# its message says. The first row that fits counts.
_FAILURES: Final = (
    ("unfed", r"InvalidArgumentError", r"must feed a value for placeholder"),
    ("unfed", r"UnfedPlaceholderError", r""),
    ("uninitialised", r"FailedPreconditionError", r"uninitialized|not exist"),
    ("uninitialised", r"UninitializedVariableError", r""),
    ("uninitialised", r"NotFoundError", r"Could not find resource"),
    ("uninitialised", r"InternalError", r"Invalid variable reference"),
    ("check failed", r"InvalidArgumentError", r"assertion failed|Tensor had"),
    ("check failed", r"CheckFailedError", r""),
    ("closed", r"RuntimeError", r"closed [Ss]ession|session is closed"),
    ("closed", r"CancelledError", r"Session has been closed"),
    ("finalized", r"RuntimeError", r"finalized"),
    ("unsupported", r"UnsupportedOperationError", r""),
    ("misfit", r"ValueError", r"must be equal|must be compatible|Cannot reshape|out of bounds"),
    ("misfit", r"ValueError", r"out of range|must be the same shape|cotangent"),
    ("misfit", r"TypeError", r"incompatible shapes|cannot reshape|dot_general requires"),
    ("misfit", r"IndexError", r""),
    ("other graph", r"ValueError", r"does not exist in graph"),
    ("other graph", r"ValueError", r"not an element of this graph|another graph|same graph"),
    ("other graph", r"TypeError", r"not an element of this graph"),
)


class _Plain(dict[str, Any]):
    """An array or an error that is JSON data already."""


def failure(error: Exception) -> dict[str, Any]:
    """The outcome of an error: its kind, or the builtin class that it is of.

    What a slip of the case itself raises is no outcome.
    """
    if isinstance(error, NameError | AttributeError):
        raise error
    names = [cls.__name__ for cls in type(error).__mro__]
    for kind, name, words in _FAILURES:
        if name in names and re.search(words, str(error)):
            return _Plain(raises=kind)
    builtin = [n for n in names if n in {"TypeError", "ValueError", "LookupError", "RuntimeError"}]
    return _Plain(raises=builtin[0] if builtin else names[0])


def attempt(action: Callable[[], Any]) -> Any:
    """What an action gives: its plain result, or the kind of its error."""
    try:
        result = action()
    except Exception as error:
        return failure(error)
    return plain(result)


def refused(action: Callable[[], Any]) -> bool:
    """Whether an action fails, for what both refuse, each with an error of its own kind."""
    return isinstance(outcome := attempt(action), _Plain) and "raises" in outcome


def plain(thing: Any) -> Any:
    """JSON data: arrays with dtype and shape, structures with their kind.

    Raises TypeError for what has no such form, so that no case compares nothing.
    """
    if isinstance(thing, np.ndarray | np.generic):
        # TensorFlow gives a number of NumPy or, of what was fed, an array of no axes: one to us.
        return _Plain({f"{thing.dtype.name}[{','.join(map(str, thing.shape))}]": thing.tolist()})
    if thing is None or isinstance(thing, bool | str | int | float | _Plain):
        return thing
    if isinstance(thing, Mapping):
        return {"dict": {str(key): plain(item) for key, item in thing.items()}}
    if isinstance(thing, tuple):
        kind = type(thing).__name__
        return {kind: [plain(item) for item in thing]}
    if isinstance(thing, list):
        return [plain(item) for item in thing]
    raise TypeError(f"a case gave a {type(thing).__name__}: say what of it counts")


def difference(expected: Any, got: Any) -> str | None:
    """Where `got` is not `expected`, in words; None if nowhere.

    Floats may differ by round-off, as a part of the largest number of their array; NaN is equal to
    NaN, and a zero has its sign.
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        if list(expected) != list(got):
            return f"expected {_short(expected)}, got {_short(got)}"
        return _first(
            _values(name, expected[name], got[name])
            if name.startswith("float")
            else difference(expected[name], got[name])
            for name in expected
        )
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return _first(difference(*pair) for pair in zip(expected, got, strict=True))
    if expected == got and type(expected) is type(got):
        return None
    return f"expected {_short(expected)}, got {_short(got)}"


def _values(name: str, expected: Any, got: Any) -> str | None:
    wanted = np.asarray(expected, dtype=float)
    found = np.asarray(got, dtype=float)
    if wanted.shape != found.shape:
        return f"expected {_short(expected)}, got {_short(got)}"
    finite = np.abs(wanted[np.isfinite(wanted)])
    largest = float(np.max(finite, initial=0.0))
    within = _ROUND_OFF[name.partition("[")[0]] * largest
    for one, other in zip(wanted.ravel().tolist(), found.ravel().tolist(), strict=True):
        same = (math.isnan(one) and math.isnan(other)) or one == other
        same = same or (math.isfinite(one) and math.isfinite(other) and abs(one - other) <= within)
        if one == 0.0 and other == 0.0:
            same = math.copysign(1.0, one) == math.copysign(1.0, other)
        if not same:
            return f"expected {name} {one!r}, got {other!r}"
    return None


def _first(found: Any) -> str | None:
    return next((text for text in found if text is not None), None)


def _short(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) < 200 else text[:200] + "..."
