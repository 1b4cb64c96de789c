"""JSON without what the standard leaves open: no NaN, no key twice."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gradion.foundation.errors import InputError

__all__ = ["strict_json"]


def strict_json(content: bytes, *, where: str) -> object:
    """Return what a JSON file holds; ``where`` names it in errors.

    Raises InputError, with line and column where there is one, if the bytes are no JSON in UTF-8,
    or hold NaN, an infinity, or an object with one key twice.
    """
    try:
        # The mark that some editors put first is no part of the text.
        text = content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except InputError as error:
        raise InputError(error.what, where=where, mend=error.mend) from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"no JSON: {error.msg} at line {error.lineno}, column {error.colno}", where=where
        ) from None
    except (ValueError, RecursionError) as error:
        # Bytes that are no UTF-8, an integer of too many digits, or objects nested too deep.
        raise InputError(f"no JSON: {type(error).__name__}", where=where) from None


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"the key {twice[:100]!r} stands twice in one object", mend="keep one")
    return result


def _no_constant(text: str) -> float:
    raise InputError(f"{text} is no JSON number", mend="expected finite numbers")
