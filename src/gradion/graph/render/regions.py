"""A graph's operations as a tree of scopes, each of which can stand for its operations."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, final

from gradion.graph.graph import Graph, Operation
from gradion.graph.render.text import plain, scope_parts

__all__ = ["CROWD", "Region", "predecessors", "regions"]

# More things than this in one box are not looked at one by one.
CROWD: Final = 100

_Path = tuple[str, ...]


@final
@dataclass(frozen=True)
class Region:
    """A box around operations of one scope that can be folded.

    Nothing that is outside of it stands both behind and before it: with a region as one node the
    graph has no cycle. A scope of which that is not true is more than one region. `path` has the
    nested names from the outermost; `children` are in an order in which they can run.
    """

    path: _Path
    children: tuple[Region | Operation, ...]

    @property
    def count(self) -> int:
        """The number of operations in it."""
        return sum(1 for _ in self.operations())

    def operations(self) -> Iterator[Operation]:
        """All operations in it."""
        for child in self.children:
            if isinstance(child, Region):
                yield from child.operations()
            else:
                yield child


def predecessors(operation: Operation, graph: Graph) -> list[Operation]:
    """The operations that this one needs, each once; a use of a variable needs the variable."""
    found = [tensor.operation for tensor in operation.inputs]
    found += operation.control_inputs
    if operation.kind in ("read_variable", "assign_variable"):
        found.append(graph.operation(operation.attributes["variable"]))
    return list(dict.fromkeys(found))


def regions(graph: Graph, shown: Sequence[Operation]) -> Region:
    """The tree of the scopes of these operations, which are in the graph's order.

    An input or a constant of no scope stands where all that take it are. Where many operations
    stand in one scope, they are parted by the file and the line of code that they come from, and
    then by number.
    """
    among = set(shown)
    before = {o: [p for p in predecessors(o, graph) if p in among] for o in shown}
    after: dict[Operation, list[Operation]] = {o: [] for o in shown}
    for operation, needs in before.items():
        for need in needs:
            after[need].append(operation)
    paths = _paths(shown, after)
    is_output = {tensor.operation for tensor in graph.outputs}
    for operation in shown:
        if operation.kind in ("placeholder", "constant") and not operation.scope:
            takers = [paths[o] for o in after[operation]]
            alone = not takers or operation in is_output
            paths[operation] = () if alone else _common(takers)
    return _tree((), _by_region(before, after, paths), paths)


def _common(paths: Sequence[_Path]) -> _Path:
    """The path around all of these."""
    least, most = min(paths), max(paths)
    for depth, (one, other) in enumerate(zip(least, most, strict=False)):
        if one != other:
            return least[:depth]
    return least[: len(most)]


def _paths(shown: Sequence[Operation], after: Iterable[Operation]) -> dict[Operation, _Path]:
    """The scope of each operation, with file and line where the scope is crowded."""
    paths = {o: tuple(map(plain, scope_parts(_scope(o)))) for o in after}
    counts = Counter(paths[o] for o in shown if o.kind != "placeholder")
    for operation, path in paths.items():
        if counts[path] > CROWD and operation.source is not None:
            file = plain(PurePath(operation.source.file).name)
            paths[operation] = (*path, file, f"line {operation.source.line}")
    return paths


def _scope(operation: Operation) -> str:
    """The scope; a variable stands with its reads and assignments, whose scope is its name."""
    return operation.name if operation.kind == "variable" else operation.scope


def _by_region(
    before: dict[Operation, list[Operation]],
    after: dict[Operation, list[Operation]],
    paths: dict[Operation, _Path],
) -> list[Operation]:
    """An order in which they can run that leaves a scope only where nothing in it can run yet."""
    missing = {operation: len(needs) for operation, needs in before.items()}
    place = {operation: i for i, operation in enumerate(before)}
    operations = list(before)
    ready: dict[_Path, list[int]] = {}
    done: set[int] = set()
    order: list[Operation] = []

    def push(operation: Operation) -> None:
        path = paths[operation]
        for depth in range(len(path) + 1):
            heapq.heappush(ready.setdefault(path[:depth], []), place[operation])

    def first(path: _Path) -> int | None:
        heap = ready.get(path, [])
        while heap and heap[0] in done:
            heapq.heappop(heap)
        return heap[0] if heap else None

    for operation, count in missing.items():
        if count == 0:
            push(operation)
    current: _Path = ()
    while len(order) < len(operations):
        # The root has all that can run, so that one is found.
        depths = range(len(current), -1, -1)
        found = next(i for i in (first(current[:d]) for d in depths) if i is not None)
        operation = operations[found]
        done.add(found)
        order.append(operation)
        current = paths[operation]
        for follower in after[operation]:
            missing[follower] -= 1
            if missing[follower] == 0:
                push(follower)
    return order


def _tree(path: _Path, order: Sequence[Operation], paths: dict[Operation, _Path]) -> Region:
    """The region of a run of operations that are all in `path`."""
    depth = len(path)
    children: list[Region | Operation] = []
    start = 0
    while start < len(order):
        inside = paths[order[start]][: depth + 1]
        stop = start + 1
        if len(inside) == depth:
            children.append(order[start])
        else:
            while stop < len(order) and paths[order[stop]][: depth + 1] == inside:
                stop += 1
            children += _unwrapped(_tree(inside, order[start:stop], paths))
        start = stop
    return Region(path, tuple(_parted(path, children)))


def _unwrapped(region: Region) -> Sequence[Region | Operation]:
    """A region; or what is in it, where that is one thing alone or inputs alone."""
    is_plain = all(isinstance(c, Operation) and c.kind == "placeholder" for c in region.children)
    return region.children if is_plain or len(region.children) == 1 else (region,)


def _parted(path: _Path, children: list[Region | Operation]) -> list[Region | Operation]:
    """The children, inputs first; a crowd of others in about as many runs as each has members."""
    inputs = [c for c in children if isinstance(c, Operation) and c.kind == "placeholder"]
    children = children[:] if not inputs else [c for c in children if c not in set(inputs)]
    if len(children) <= CROWD:
        return inputs + children
    size = math.isqrt(len(children) - 1) + 1
    parts = [children[i : i + size] for i in range(0, len(children), size)]
    return inputs + [
        Region((*path, f"part {number}"), tuple(part)) for number, part in enumerate(parts, start=1)
    ]
