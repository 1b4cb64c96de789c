"""Walks over a tree of Modules, in PyTorch's order: a Module first, then its children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jax

    from gradion.module.module import Module
    from gradion.module.parameter import Parameter

__all__ = [
    "join_name",
    "walk_buffers",
    "walk_children",
    "walk_modules",
    "walk_parameters",
]


def join_name(path: str, name: str) -> str:
    """Dotted name of `name` under `path`, which is empty at the root."""
    return f"{path}.{name}" if path else name


def walk_modules(
    root: Module, prefix: str = "", *, remove_duplicate: bool = True
) -> Iterator[tuple[str, Module]]:
    """Each Module of the tree with its dotted path.

    A Module reached on several paths comes once, or with `remove_duplicate=False` once a path;
    a cycle of Modules is followed once either way.
    """
    # A stack of our own: generators that delegate to each other cost a step per level, and a
    # deep tree would meet Python's limit on recursion.
    seen = {id(root)}
    yield prefix, root
    stack = [(root, prefix, iter(tuple(root._modules.items())))]
    while stack:
        module, path, children = stack[-1]
        for name, child in children:
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                child_path = join_name(path, name)
                yield child_path, child
                stack.append((child, child_path, iter(tuple(child._modules.items()))))
                break
        else:
            stack.pop()
            if not remove_duplicate:
                # Only the Modules above are barred then, which is what breaks a cycle.
                seen.discard(id(module))


def walk_children(root: Module) -> Iterator[tuple[str, Module]]:
    """Direct children of `root` with their names, each Module once."""
    seen: set[int] = set()
    for name, child in root._modules.items():
        if child is not None and id(child) not in seen:
            seen.add(id(child))
            yield name, child


def walk_parameters(
    root: Module, prefix: str = "", *, recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, Parameter]]:
    """Each Parameter of the tree (of `root` alone if not `recurse`) with its dotted name."""
    return _walk_members(root, "_parameters", prefix, recurse, remove_duplicate)


def walk_buffers(
    root: Module, prefix: str = "", *, recurse: bool = True, remove_duplicate: bool = True
) -> Iterator[tuple[str, jax.Array]]:
    """Each buffer of the tree (of `root` alone if not `recurse`) with its dotted name."""
    return _walk_members(root, "_buffers", prefix, recurse, remove_duplicate)


def _walk_members(
    root: Module, store: str, prefix: str, recurse: bool, remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    """Entries of one storage dictionary over the tree, without Nones, by identity once."""
    seen: set[int] = set()
    placed: Any = [(prefix, root)]
    if recurse:
        placed = walk_modules(root, prefix, remove_duplicate=remove_duplicate)
    for path, module in placed:
        for name, entry in tuple(module.__dict__[store].items()):
            if entry is None or (remove_duplicate and id(entry) in seen):
                continue
            seen.add(id(entry))
            yield join_name(path, name), entry
