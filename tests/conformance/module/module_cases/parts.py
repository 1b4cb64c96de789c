"""Small Modules that the scripts are made of."""

from __future__ import annotations

from typing import Any

__all__ = ["affine", "buffered", "empty", "names", "scale", "tree"]


def empty(lib: Any) -> Any:
    """A Module with nothing in it, of a class of its own."""

    class Empty(lib.Module):
        pass

    return Empty()


def scale(lib: Any, factor: Any = 2.0) -> Any:
    """Multiplies by its Parameter `weight`."""

    class Scale(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = lib.Parameter(factor)

        def forward(self, x: Any) -> Any:
            return self.weight * x

    return Scale()


def affine(lib: Any, weight: Any = (1.0, 2.0), bias: Any = (0.5, -0.5)) -> Any:
    """Multiplies by `weight` and adds `bias`."""

    class Affine(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = lib.Parameter(list(weight))
            self.bias = lib.Parameter(list(bias))

        def forward(self, x: Any) -> Any:
            return self.weight * x + self.bias

    return Affine()


def buffered(lib: Any) -> Any:
    """A Parameter, a persistent buffer, one that is not, and a count of whole numbers."""

    class Buffered(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", lib.array([1.0, 2.0]))
            self.register_buffer("cache", lib.array([9.0]), persistent=False)
            self.register_buffer("count", lib.array(3, lib.int64))
            self.weight = lib.Parameter([4.0])

    return Buffered()


def tree(lib: Any) -> Any:
    """Own Parameter `top`, a child `left` with a child `leaf`, and a child `right`."""
    root = empty(lib)
    root.left = affine(lib)
    root.left.leaf = buffered(lib)
    root.top = lib.Parameter([7.0, 8.0])
    root.right = scale(lib, 3.0)
    return root


def names(pairs: Any) -> list[str]:
    """First members of pairs."""
    return [name for name, _ in pairs]
