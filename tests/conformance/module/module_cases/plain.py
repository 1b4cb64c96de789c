"""Outcomes of scripts as JSON data; the part of an adapter that is the same for both."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["Outcomes"]


class Outcomes:
    """Turns what a script returns into lists, dicts, text, numbers, booleans and None."""

    def __init__(self, value: Callable[[Any], Any]) -> None:
        # Nested lists of an array or a Parameter, or NotImplemented for something else.
        self.value = value

    def plain(self, thing: Any) -> Any:
        """JSON data of a result; TypeError for what has none, so that no case compares nothing."""
        if thing is None or isinstance(thing, bool | int | float | str):
            return thing
        if isinstance(thing, Mapping):
            return {str(key): self.plain(item) for key, item in thing.items()}
        numbers = self.value(thing)
        if numbers is not NotImplemented:
            return numbers
        if isinstance(thing, Iterable) and not hasattr(thing, "named_modules"):
            return [self.plain(item) for item in thing]
        raise TypeError(f"a script returned a {type(thing).__name__}: say what of it counts")

    def attempt(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What an action gives: its plain result, "done" for an object, or its error."""
        try:
            result = action(*args, **kwargs)
        except Exception as error:
            return {"raises": self.error_names(error)}
        try:
            return self.plain(result)
        except TypeError:
            return "done"

    def error_names(self, error: Exception) -> list[str]:
        """Builtin classes of an error, the nearest first."""
        classes = [cls for cls in type(error).__mro__ if cls.__module__ == builtins.__name__]
        vague = (object, BaseException, Exception)
        return [cls.__name__ for cls in classes if cls not in vague] or ["Exception"]

    def error_tells(self, action: Callable[[], Any], *words: str) -> list[bool] | str:
        """Whether the message of an action's error has each of the words."""
        try:
            action()
        except Exception as error:
            # KeyError's own text is quoted; the words are the same.
            return [word in str(error) for word in words]
        return "no error"
