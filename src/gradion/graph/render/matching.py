"""Which operations of two graphs are the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, final

from gradion.graph.fingerprint import fingerprint
from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.operation_table import frozen

__all__ = ["match_operations", "own_structure"]


def own_structure(operation: Operation) -> Hashable:
    """What an operation is without its inputs and, but for inputs and variables, its name."""
    value = operation.value
    is_named = operation.kind in ("placeholder", "variable")
    return (
        operation.kind,
        operation.name if is_named else "",
        frozen(operation.attributes),
        tuple(tensor.type for tensor in operation.outputs),
        None if value is None else (value.dtype.str, value.shape, value.tobytes()),
        tuple(map(fingerprint, operation.subgraphs)),
        len(operation.inputs),
    )


def match_operations(before: Graph, after: Graph) -> dict[Operation, Operation]:
    """The operations of the graph before with theirs in the graph after.

    What is the same with all that it is computed from is matched first, by name where names
    agree; then what takes matched results in the same way, and what gives them to matched
    operations; then names. So a numbered name may be another than before.
    """
    matcher = _Matcher(before, after)
    matcher.by_origin()
    matcher.by_neighbours()
    # An operation that was changed, at the same place between others.
    matcher.upwards(lambda operation: operation.kind)
    matcher.by_neighbours()
    matcher.by_name(lambda operation: operation.kind)
    matcher.by_neighbours()
    matcher.by_name(lambda _: None)
    return matcher.found


@final
class _Matcher:
    """Matches, and what is left to match."""

    def __init__(self, before: Graph, after: Graph) -> None:
        self._before, self._after = before, after
        self.found: dict[Operation, Operation] = {}
        self._taken: set[Operation] = set()
        self._own = {o: own_structure(o) for graph in (before, after) for o in graph}

    def _match(self, old: Operation, new: Operation) -> None:
        self.found[old] = new
        self._taken.add(new)

    def _left(self) -> list[Operation]:
        return [operation for operation in self._before if operation not in self.found]

    def _left_after(self) -> list[Operation]:
        return [operation for operation in self._after if operation not in self._taken]

    def by_origin(self) -> None:
        """Match what is equal with all that it is computed from."""
        numbers: dict[Hashable, int] = {}
        old, new = self._origins(self._before, numbers), self._origins(self._after, numbers)
        names = {(o.name, origin): o for o, origin in new.items()}
        for operation, origin in old.items():
            same = names.get((operation.name, origin))
            if same is not None:
                self._match(operation, same)
        there = _grouped(self._left_after(), lambda operation: new[operation])
        for operation in self._left():
            equal = there.get(old[operation])
            if equal:
                self._match(operation, equal.pop(0))

    def _origins(self, graph: Graph, numbers: dict[Hashable, int]) -> dict[Operation, int]:
        """A number for each operation, the same for what is computed in the same way."""
        found: dict[Operation, int] = {}
        for operation in graph:
            inputs = tuple((found[t.operation], t.index) for t in operation.inputs)
            controls = tuple(found[before] for before in operation.control_inputs)
            key = (self._own[operation], inputs, controls)
            found[operation] = numbers.setdefault(key, len(numbers))
        return found

    def by_neighbours(self) -> None:
        """Match equal operations that take the same, or are taken in the same way."""
        count = -1
        while len(self.found) > count:
            count = len(self.found)
            self._downwards()
            self.upwards(lambda operation: self._own[operation])

    def _downwards(self) -> None:
        def key(operation: Operation, known: Mapping[Operation, Operation] | None) -> Hashable:
            inputs: list[tuple[Operation, int]] = []
            for tensor in operation.inputs:
                giver = tensor.operation
                giver = giver if known is None else known.get(giver, giver)
                inputs.append((giver, tensor.index))
            return self._own[operation], tuple(inputs)

        there = _grouped(self._left_after(), lambda operation: key(operation, None))
        for operation in self._left():
            equal = there.get(key(operation, self.found), ())
            # An operation without inputs has no neighbours above it.
            if equal and operation.inputs:
                named = [other for other in equal if other.name == operation.name]
                chosen = (named or list(equal))[0]
                there[key(operation, self.found)].remove(chosen)
                self._match(operation, chosen)

    def upwards(self, likeness: Callable[[Operation], Hashable]) -> None:
        """Match what gives the same input of matched operations, or the same output."""

        def try_pair(old: Tensor, new: Tensor) -> None:
            is_free = old.operation not in self.found and new.operation not in self._taken
            if is_free and likeness(old.operation) == likeness(new.operation):
                self._match(old.operation, new.operation)

        for old, new in zip(self._before.outputs, self._after.outputs, strict=False):
            try_pair(old, new)
        for operation in reversed(self._before.operations):
            if operation in self.found:
                other = self.found[operation]
                for old, new in zip(operation.inputs, other.inputs, strict=False):
                    try_pair(old, new)

    def by_name(self, likeness: Callable[[Operation], Hashable]) -> None:
        """Match what has the same name."""
        there = {operation.name: operation for operation in self._left_after()}
        for operation in self._left():
            same = there.get(operation.name)
            if same is not None and likeness(operation) == likeness(same):
                self._match(operation, same)


def _grouped(
    operations: Iterable[Operation], key: Callable[[Operation], Any]
) -> dict[Any, list[Operation]]:
    found: dict[Any, list[Operation]] = {}
    for operation in operations:
        found.setdefault(key(operation), []).append(operation)
    return found
