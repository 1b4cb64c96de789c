"""Names and tree structure of what a captured function takes and returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from gradion.foundation.dimension import Size, shape_text
from gradion.module import Module

__all__ = ["Signature", "leaf_names"]


@final
@dataclass(frozen=True)
class Signature:
    """The trees of the arguments and of the result, and the shapes of the arguments' arrays."""

    arguments: Any
    result: Any
    shapes: tuple[tuple[Size, ...], ...]

    def flatten(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arrays of a call.

        Raises TypeError if its structure is not that of the examples, ValueError if a shape is
        not: an array of which only the shape counts is no input of what was compiled.
        """
        leaves, tree = jax.tree.flatten(arguments)
        if tree != self.arguments:
            raise TypeError(f"the arguments have the structure {tree}, expected {self.arguments}")
        # Sizes that are not known are looked at where the graph is evaluated.
        for place, (leaf, shape) in enumerate(zip(leaves, self.shapes, strict=True)):
            given = jnp.shape(leaf)
            if len(given) != len(shape) or any(
                isinstance(wanted, int) and wanted != got
                for wanted, got in zip(shape, given, strict=True)
            ):
                raise ValueError(
                    f"array {place} of the arguments has shape {given}, expected "
                    f"{shape_text(shape)}"
                )
        return leaves


def leaf_names(
    function: Callable[..., Any], arguments: tuple[Any, ...], names: Sequence[str] | None
) -> list[str]:
    """A dotted name for each array of the arguments.

    An argument's name is that in `names`, else the parameter's. What is in a Module is named as
    in the Module ("negative.D_s.value") where the call has one Module alone and `names` is not
    given; everything else has its argument's name in front. An empty name in `names` puts nothing
    in front. Raises ValueError for a wrong number of names.
    """
    if names is not None and len(names) != len(arguments):
        raise ValueError(f"names: got {len(names)}, expected {len(arguments)}, one an argument")
    one_module = names is None and sum(isinstance(a, Module) for a in arguments) == 1
    prefixes = list(names) if names is not None else _parameter_names(function, len(arguments))
    found = []
    for prefix, argument in zip(prefixes, arguments, strict=True):
        front = "" if one_module and isinstance(argument, Module) else prefix
        for path, _ in jax.tree_util.tree_flatten_with_path(argument)[0]:
            inside = jax.tree_util.keystr(path, simple=True, separator=".")
            inside = inside.replace(":", "_").replace("^", "_")  # a meaning in names of tensors
            found.append(".".join(part for part in (front, inside) if part) or "input")
    return found


def _parameter_names(function: Callable[..., Any], count: int) -> list[str]:
    try:
        known = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        known = []  # a builtin says nothing of its parameters
    positional = [p.name for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [positional[i] if i < len(positional) else f"argument_{i}" for i in range(count)]
