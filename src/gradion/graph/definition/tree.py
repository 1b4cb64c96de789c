"""The structure of arguments and results without the classes that it was made of."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import jax

from gradion.foundation.errors import InputError
from gradion.graph.definition.json_entry import JsonEntry
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.named_tuple import NamedTuple

__all__ = ["Tree", "TreeKind"]


@final
class TreeKind(enum.Enum):
    """What a node of a tree is. The value stands in a file."""

    LEAF = "leaf"
    NONE = "none"
    TUPLE = "tuple"
    LIST = "list"
    DICT = "dict"
    NAMED_TUPLE = "named_tuple"
    MODULE = "module"


_KEYED: Final = (TreeKind.DICT, TreeKind.NAMED_TUPLE, TreeKind.MODULE)
_SEQUENCES: Final = {TreeKind.TUPLE: tuple, TreeKind.LIST: list}
_Key = str | int


@final
@dataclass(frozen=True)
class Tree:
    """A node: its kind, its children, and their keys where they have any.

    A Module, or another class that JAX knows as a tree, is one node: its children are its arrays,
    its keys their dotted names.
    """

    kind: TreeKind
    children: tuple[Tree, ...] = ()
    keys: tuple[_Key, ...] = ()

    @classmethod
    def of(cls, structure: Any) -> Tree:
        """The tree of a structure of JAX.

        Raises InputError for keys of dicts that are no text or integers, and for arrays of one
        Module that have the same dotted name.
        """
        children = tuple(map(cls.of, structure.children()))
        data = structure.node_data()
        if data is None:
            return cls(TreeKind.LEAF) if structure.num_leaves else cls(TreeKind.NONE)
        node_type, detail = data
        if node_type is type(None):
            return cls(TreeKind.NONE)
        if node_type in (tuple, list):
            kind = TreeKind.TUPLE if node_type is tuple else TreeKind.LIST
            return cls(kind, children)
        if issubclass(node_type, dict):
            keys = tuple(detail[1] if isinstance(detail, tuple) and _is_default(detail) else detail)
            if not all(type(key) in (str, int) for key in keys):
                raise InputError(f"the keys {keys!r} of a dict: expected texts or integers")
            return cls(TreeKind.DICT, children, keys)
        if issubclass(node_type, tuple):
            fields = detail if node_type is NamedTuple else getattr(node_type, "_fields", ())
            return cls(TreeKind.NAMED_TUPLE, children, tuple(fields))
        return _module(structure, node_type)

    @property
    def leaf_names(self) -> tuple[str, ...]:
        """A dotted name for each leaf; empty where the tree is a leaf."""
        return tuple(".".join(map(str, path)) for path in self._paths())

    def flatten(self, value: Any, what: str) -> list[Any]:
        """The leaves of a value of this structure, whatever the classes of its Modules.

        Raises TypeError, naming the place after `what`, for another structure.
        """
        if self.kind is TreeKind.LEAF:
            return [value]
        if self.kind is TreeKind.NONE:
            if value is not None:
                raise TypeError(f"{what}: got a {type(value).__name__}, expected None")
            return []
        names = self.keys if self.kind in _KEYED else range(len(self.children))
        found: list[Any] = []
        parts = self._parts(value, what)
        for name, child, part in zip(names, self.children, parts, strict=True):
            found += child.flatten(part, f"{what}[{name!r}]")
        return found

    def unflatten(self, leaves: Iterator[Any]) -> Any:
        """A value of this structure; a Module is a dict of its arrays, by dotted names."""
        if self.kind is TreeKind.LEAF:
            return next(leaves)
        if self.kind is TreeKind.NONE:
            return None
        parts = [child.unflatten(leaves) for child in self.children]
        if self.kind in _SEQUENCES:
            return _SEQUENCES[self.kind](parts)
        if self.kind is TreeKind.NAMED_TUPLE:
            return NamedTuple(parts, tuple(map(str, self.keys)))
        return dict(zip(self.keys, parts, strict=True))

    def to_json(self) -> Any:
        """The tree as JSON; `from_json` reads it."""
        if self.kind in (TreeKind.LEAF, TreeKind.NONE):
            return self.kind.value
        children = [child.to_json() for child in self.children]
        if self.kind in _KEYED:
            return {self.kind.value: [list(pair) for pair in zip(self.keys, children, strict=True)]}
        return {self.kind.value: children}

    @classmethod
    def from_json(cls, entry: JsonEntry, limits: Limits, depth: int = 0) -> Tree:
        """The tree in a file; raises InputError."""
        if depth > limits.depth:
            raise entry.error(f"is nested more than {limits.depth} deep")
        if isinstance(entry.value, str):
            kind = _kind(entry, entry.text())
            if kind not in (TreeKind.LEAF, TreeKind.NONE):
                raise entry.error(f"a {kind.value} has children")
            return cls(kind)
        pairs = entry.pairs()
        if len(pairs) != 1:
            raise entry.error("expected one kind of node")
        ((name, inside),) = pairs.items()
        kind = _kind(entry, name)
        if kind in (TreeKind.LEAF, TreeKind.NONE):
            raise entry.error(f"a {kind.value} has no children")
        if kind not in _KEYED:
            return cls(kind, tuple(cls.from_json(i, limits, depth + 1) for i in inside.items()))
        keys: list[_Key] = []
        children = []
        for pair in inside.items():
            parts = list(pair.items())
            if len(parts) != 2:
                raise pair.error("expected a key and a node")
            is_number = kind is TreeKind.DICT and not isinstance(parts[0].value, str)
            keys.append(parts[0].integer() if is_number else parts[0].text())
            children.append(cls.from_json(parts[1], limits, depth + 1))
        if len(set(keys)) < len(keys) or len(set(map(type, keys))) > 1:
            raise inside.error("has a key twice, or texts and numbers as keys")
        if kind is TreeKind.MODULE and any(child.kind is not TreeKind.LEAF for child in children):
            raise inside.error("a Module has arrays alone")
        return cls(kind, tuple(children), tuple(keys))

    def _paths(self) -> Iterator[tuple[_Key, ...]]:
        if self.kind is TreeKind.LEAF:
            yield ()
        names = self.keys if self.kind in _KEYED else range(len(self.children))
        for name, child in zip(names, self.children, strict=True):
            for path in child._paths():
                yield (name, *path)

    def _parts(self, value: Any, what: str) -> Sequence[Any]:
        """The children of a value, in the order of this node's; raises TypeError."""
        if self.kind in _SEQUENCES:
            expected = _SEQUENCES[self.kind]
            if not isinstance(value, expected) or len(value) != len(self.children):
                raise TypeError(
                    f"{what}: got {_told(value)}, expected a {self.kind.value} of "
                    f"{len(self.children)}"
                )
            return value
        if self.kind is TreeKind.NAMED_TUPLE and isinstance(value, tuple):
            names = value.names if isinstance(value, NamedTuple) else self.keys
            names = getattr(value, "_fields", names)
            if tuple(names) != self.keys or len(value) != len(self.keys):
                raise TypeError(f"{what}: got {_told(value)}, expected the fields {self.keys}")
            return value
        given = value
        if self.kind is TreeKind.MODULE and not isinstance(value, Mapping):
            given = _arrays_of(value)
        if not isinstance(given, Mapping) or set(given) != set(self.keys):
            raise TypeError(f"{what}: got {_told(value)}, expected the keys {self.keys}")
        return [given[key] for key in self.keys]


def _is_default(detail: tuple[Any, ...]) -> bool:
    """Whether it is a defaultdict's: the factory, then the keys."""
    return len(detail) == 2 and isinstance(detail[1], list | tuple) and callable(detail[0])


def _module(structure: Any, node_type: type) -> Tree:
    value = jax.tree.unflatten(structure, range(structure.num_leaves))
    names = tuple(_arrays_of(value))
    if len(names) != structure.num_leaves:
        raise InputError(f"two arrays of a {node_type.__name__} have the same dotted name")
    return Tree(TreeKind.MODULE, (Tree(TreeKind.LEAF),) * len(names), names)


def _arrays_of(value: Any) -> dict[str, Any]:
    """The leaves of a Module, or of another tree, by dotted names."""
    found = jax.tree_util.tree_flatten_with_path(value)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): x for path, x in found}


def _kind(entry: JsonEntry, text: str) -> TreeKind:
    for kind in TreeKind:
        if kind.value == text:
            return kind
    raise entry.error(f"{text[:100]!r} is no kind of a node")


def _told(value: Any) -> str:
    """What was given, in a few words."""
    if isinstance(value, Mapping):
        return f"the keys {tuple(value)}"[:200]
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
