"""The error of a layer that is called on an array it cannot take."""

from typing import final

from gradion.foundation.errors import InputError

__all__ = ["ShapeError"]


@final
class ShapeError(InputError, RuntimeError):
    """An array has the wrong shape; a RuntimeError too, as in PyTorch."""
