"""Modules as text: the nested tree and the table of Parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import numpy as np

from gradion.module.traversal import walk_parameters

if TYPE_CHECKING:
    from gradion.module.module import Module
    from gradion.module.parameter import Parameter

__all__ = ["parameter_table", "tree_text"]

_HEADER = ("name", "value", "unit", "bounds", "source", "trainable")


def tree_text(module: Module) -> str:
    """Class names of a tree of Modules, a child a line, indented by two blanks."""
    return _tree_text(module, frozenset())


def _tree_text(module: Module, above: frozenset[int]) -> str:
    class_name = type(module).__name__
    if id(module) in above:
        return f"{class_name}(...)"
    extra = module.extra_repr().splitlines()
    parts = [
        (name, "None" if child is None else _tree_text(child, above | {id(module)}))
        for name, child in module.__dict__.get("_modules", {}).items()
    ]
    children = [f"({names}): {text}" for names, text in _folded(parts)]
    if not children and len(extra) <= 1:
        return f"{class_name}({''.join(extra)})"
    lines = "\n".join(extra + children).splitlines()
    return "\n".join([f"{class_name}(", *(f"  {line}" for line in lines), ")"])


def _folded(parts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Names and texts of children, equal ones with consecutive numbers as one."""
    for text, group in itertools.groupby(parts, key=lambda part: part[1]):
        names = [name for name, _ in group]
        if len(names) > 1 and all(name.isdigit() for name in names):
            yield f"{names[0]}-{names[-1]}", f"{len(names)} x {text}"
        else:
            yield from ((name, text) for name in names)


def parameter_table(module: Module) -> str:
    """One line a Parameter, columns padded with blanks; a shared Parameter comes once."""
    rows = [_HEADER, *(_row(name, parameter) for name, parameter in walk_parameters(module))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(name: str, parameter: Parameter) -> tuple[str, ...]:
    bounds = parameter.bounds
    return (
        name,
        _value_text(parameter.value),
        parameter.unit,
        "-" if bounds is None else f"({bounds[0]:g}, {bounds[1]:g})",
        parameter.source or "-",
        "yes" if parameter.trainable else "no",
    )


def _value_text(value: object) -> str:
    if isinstance(value, jax.core.Tracer) or not isinstance(value, jax.Array):
        return str(value)
    if value.ndim == 0:
        return f"{float(value):.6g}"
    shape = "x".join(str(size) for size in value.shape)
    if value.size == 0:
        return f"[{shape}]"
    numbers = np.asarray(value, dtype=np.float64)
    return f"[{shape}] {numbers.min():.4g} .. {numbers.max():.4g}"
