"""What a run is asked for, taken apart and put together again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import jax

from gradion.foundation.errors import InputError
from gradion.graph.build import Variable
from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.session.errors import line_of

__all__ = ["FetchTree", "Target", "VariableValue", "fetch_key", "find_tensor"]


@final
@dataclass(frozen=True)
class VariableValue:
    """The value of a variable when everything else of the run is done."""

    operation: Operation

    @property
    def name(self) -> str:
        """The name of the variable."""
        return self.operation.name


# What comes back as a value.
Target = Tensor | VariableValue

_LEAVES: Final = frozenset({Operation, Tensor, Variable, str})
_Build = Callable[[Sequence[Any]], Any]


def fetch_key(fetches: Any) -> Hashable:
    """Something that is equal for equal fetches in equal structures.

    Raises TypeError for what cannot be fetched.
    """
    kind = type(fetches)
    if kind in _LEAVES:
        return fetches
    # Flat structures are frequent, and this is in the way of every run. That the leaves are leaves
    # has to be seen: a tuple and a namedtuple inside are equal.
    if kind is list or kind is tuple:
        if _LEAVES.issuperset(map(type, fetches)):
            return (kind, *fetches)
    elif kind is dict and _LEAVES.issuperset(map(type, fetches.values())):
        return (kind, *fetches.items())
    children, tree = _one_level(fetches)
    names = tuple(fetches) if kind is dict else ()
    return (tree, names, *map(fetch_key, children))


@final
class FetchTree:
    """The fetches of a run in one graph.

    `targets` are the tensors and variables whose values are wanted, `operations` what runs besides;
    each stands once, by name. `build` makes the structure of values of the targets, in order.
    """

    def __init__(self, graph: Graph, fetches: Any) -> None:
        self._graph = graph
        found: dict[Target | Operation, None] = {}
        self._collect(fetches, found)
        ordered = sorted(found, key=lambda item: item.name)
        self.targets: tuple[Target, ...] = tuple(
            item for item in ordered if not isinstance(item, Operation)
        )
        self.operations: tuple[Operation, ...] = tuple(
            item for item in ordered if isinstance(item, Operation)
        )
        self._places = {target: i for i, target in enumerate(self.targets)}
        self.build: _Build = self._builder(fetches)

    def _collect(self, item: Any, found: dict[Target | Operation, None]) -> None:
        if type(item) in _LEAVES:
            found[self._resolve(item)] = None
            return
        for child in _one_level(item)[0]:
            self._collect(child, found)

    def _resolve(self, item: Any) -> Target | Operation:
        if isinstance(item, str):
            return find_tensor(self._graph, item) if ":" in item else self._graph.operation(item)
        if item.graph is not self._graph:
            raise ValueError(f"{item!r} is of another graph than the session")
        if isinstance(item, Variable):
            return VariableValue(item.operation)
        resolved: Target | Operation = item
        return resolved

    def _builder(self, item: Any) -> _Build:
        if type(item) in _LEAVES:
            resolved = self._resolve(item)
            if isinstance(resolved, Operation):
                return _nothing
            return operator.itemgetter(self._places[resolved])
        children, tree = _one_level(item)
        parts = [self._builder(child) for child in children]
        if type(item) is list:
            return lambda values: [part(values) for part in parts]
        if type(item) is dict:
            names = list(item)
            return lambda values: {n: part(values) for n, part in zip(names, parts, strict=True)}
        return lambda values: tree.unflatten([part(values) for part in parts])


def find_tensor(graph: Graph, name: str) -> Tensor:
    """The tensor `operation:index`. Raises InputError, with near names, if there is none."""
    head, colon, index = name.rpartition(":")
    if not colon or not index.isdecimal():
        raise InputError(
            f"{name!r} is no name of a tensor", mend="'x:0' is the first result of the operation x"
        )
    operation = graph.operation(head)
    if int(index) >= len(operation.outputs):
        raise InputError(
            f"{head!r} has {len(operation.outputs)} results, there is no {name!r}",
            where=line_of(operation),
        )
    return operation.outputs[int(index)]


def _nothing(_: Any) -> None:
    """The result of an operation."""


def _one_level(item: Any) -> tuple[list[Any], Any]:
    """The children of a structure, and how it is made of them. Raises TypeError for others."""
    if type(item) is dict:
        return list(item.values()), dict
    children, tree = jax.tree.flatten(item, is_leaf=lambda x: x is not item)
    if item is None or (len(children) == 1 and children[0] is item):
        raise TypeError(
            f"cannot fetch {item!r} of type {type(item).__name__}: expected tensors, operations, "
            "variables, names of these, or structures of them"
        )
    return children, tree
