"""pydantic's validation errors as one line a user can act on."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from gradion.foundation.errors import InputError, unknown_name

__all__ = ["input_error"]


def input_error(
    error: ValidationError,
    model: type[BaseModel],
    *,
    where: str,
    path: tuple[str, ...] = (),
) -> InputError:
    """Return the first of pydantic's errors as an InputError, with the number of the others.

    ``where`` is the file or the set, ``path`` the keys that lead to ``model`` in it.
    """
    errors = error.errors(include_url=False)
    first = errors[0]
    location = tuple(str(key) for key in first["loc"])
    place = ".".join((*path, *location))
    whole = f"{where}: {place}" if place else where
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        what, mend = cause.what, cause.mend
    elif first["type"] == "extra_forbidden":
        unknown = unknown_name("key", location[-1], _known_keys(model, location[:-1]))
        what, mend = unknown.what, unknown.mend
    elif first["type"] == "missing":
        what, mend = "is missing", "every file needs it"
    else:
        what, mend = first["msg"], None
    if len(errors) > 1:
        what = f"{what} (the first of {len(errors)} errors)"
    return InputError(what, where=whole, mend=mend)


def _known_keys(model: type[BaseModel], location: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that the section at this place takes."""
    for key in location:
        if key not in model.model_fields:
            continue  # an index in a list, or the name of a member of a union
        annotation = model.model_fields[key].annotation
        candidates = (annotation, *getattr(annotation, "__args__", ()))
        model = next(
            (kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)),
            model,
        )
    return tuple(model.model_fields)
