"""How one graph differs from another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, final

import numpy as np

from gradion.graph.graph import STATEFUL, Graph, Operation, Tensor
from gradion.graph.operation_table import frozen
from gradion.graph.render.matching import match_operations
from gradion.graph.render.text import attribute_text, plain, subgraph_names

__all__ = ["GraphDifference", "OperationChange", "compare_graphs"]

_TEXT: Final = 60  # characters
_ABSENT: Final = "(none)"


@final
@dataclass(frozen=True)
class OperationChange:
    """An operation that is in both graphs: its name in each, and what about it is different."""

    before: str
    after: str
    what: tuple[str, ...]


@final
@dataclass(frozen=True)
class GraphDifference:
    """What is in one graph and not in the other, and what is different in both.

    `renamed` has operations that differ in their names alone: they make no difference, and neither
    do scopes, lines of code and the order of operations without effects. `interface` is about
    inputs, outputs and the order of effects, `variables` about values.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[OperationChange, ...]
    interface: tuple[str, ...]
    variables: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]

    @property
    def is_equal(self) -> bool:
        """Whether both graphs compute the same in the same way, from the same variables."""
        parts = (self.added, self.removed, self.changed, self.interface, self.variables)
        return not any(parts)

    def as_json(self) -> dict[str, Any]:
        """All of it as values of JSON."""
        return {"equal": self.is_equal, **asdict(self)}

    def __str__(self) -> str:
        """Return a text for people: - for what is gone, + for what is new, ~ for changes."""
        lines = [f"- {line}" for line in self.removed]
        lines += [f"+ {line}" for line in self.added]
        for change in self.changed:
            names = dict.fromkeys((change.before, change.after))
            lines += [f"~ {' -> '.join(names)}", *(f"    {what}" for what in change.what)]
        lines += [f"~ {line}" for line in (*self.interface, *self.variables)]
        if not lines:
            lines.append("equal")
        if self.renamed:
            lines.append(f"({len(self.renamed)} operations differ in their names alone)")
        return "\n".join(lines)


def compare_graphs(
    before: Graph,
    after: Graph,
    *,
    variables: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]] = ({}, {}),
) -> GraphDifference:
    """The difference between two graphs; `variables` are values of theirs, by name."""
    match = match_operations(before, after)
    there = {new: old for old, new in match.items()}
    changed, renamed = [], []
    for old in before:
        new = match.get(old)
        if new is None:
            continue
        what = tuple(_changes(old, new, match))
        if what:
            changed.append(OperationChange(plain(old.name), plain(new.name), what))
        elif old.name != new.name:
            renamed.append((plain(old.name), plain(new.name)))
    return GraphDifference(
        added=tuple(_line(new) for new in after if new not in there),
        removed=tuple(_line(old) for old in before if old not in match),
        changed=tuple(changed),
        interface=tuple(_interface(before, after, match)),
        variables=tuple(_values(*variables)),
        renamed=tuple(renamed),
    )


def _line(operation: Operation) -> str:
    types = ", ".join(str(tensor.type) for tensor in operation.outputs)
    arguments = ", ".join(plain(tensor.name) for tensor in operation.inputs)
    return f"{plain(operation.name)}{f': {types}' if types else ''} = {operation.kind}({arguments})"


def _changes(old: Operation, new: Operation, match: Mapping[Operation, Operation]) -> Iterator[str]:
    if old.kind != new.kind:
        yield f"kind: {old.kind} -> {new.kind}"
    given = [o.attributes for o in (old, new)]
    for key in dict.fromkeys((*old.attributes, *new.attributes)):
        values = [frozen(a[key]) if key in a else _ABSENT for a in given]
        if values[0] != values[1]:
            texts = [attribute_text(a[key], _TEXT) if key in a else _ABSENT for a in given]
            yield f"{plain(key)}: {' -> '.join(texts)}"
    types = [", ".join(str(t.type) for t in o.outputs) or _ABSENT for o in (old, new)]
    if types[0] != types[1]:
        yield f"type: {' -> '.join(types)}"
    yield from _inputs(old, new, match)
    if old.value is not None and new.value is not None and types[0] == types[1]:
        difference = _value_difference(old.value, new.value)
        if difference:
            yield f"value: {difference}"
    if len(old.subgraphs) != len(new.subgraphs):
        yield f"subgraphs: {len(old.subgraphs)} -> {len(new.subgraphs)}"
        return
    for name, one, other in zip(subgraph_names(old), old.subgraphs, new.subgraphs, strict=True):
        inside = compare_graphs(one, other)
        if not inside.is_equal:
            yield from (f"{name}: {line}" for line in str(inside).splitlines())


def _inputs(old: Operation, new: Operation, match: Mapping[Operation, Operation]) -> Iterator[str]:
    for place in range(max(len(old.inputs), len(new.inputs))):
        one = old.inputs[place] if place < len(old.inputs) else None
        other = new.inputs[place] if place < len(new.inputs) else None
        if not _is_same(one, other, match):
            yield f"input {place}: {_name(one)} -> {_name(other)}"
    if {match.get(o) for o in old.control_inputs} != set(new.control_inputs):
        names = [", ".join(plain(b.name) for b in o.control_inputs) or _ABSENT for o in (old, new)]
        yield f"runs after: {' -> '.join(names)}"


def _interface(before: Graph, after: Graph, match: Mapping[Operation, Operation]) -> Iterator[str]:
    held = set(after.inputs)
    old = [match[t.operation] for t in before.inputs if t.operation in match]
    kept = [operation for operation in old if operation.outputs[0] in held]
    order = [t.operation for t in after.inputs if t.operation in set(kept)]
    if kept != order:
        names = [", ".join(plain(o.name) for o in some) for some in (kept, order)]
        yield f"order of inputs: {' -> '.join(names)}"
    effects = [match[o] for o in before if o.kind in STATEFUL and o in match]
    among = set(effects)
    order = [o for o in after if o in among]
    if effects != order:
        names = [", ".join(plain(o.name) for o in some) for some in (effects, order)]
        yield f"order of effects: {' -> '.join(names)}"
    for place in range(max(len(before.outputs), len(after.outputs))):
        one = before.outputs[place] if place < len(before.outputs) else None
        other = after.outputs[place] if place < len(after.outputs) else None
        if not _is_same(one, other, match):
            yield f"output {place}: {_name(one)} -> {_name(other)}"


def _is_same(old: Tensor | None, new: Tensor | None, match: Mapping[Operation, Operation]) -> bool:
    if old is None or new is None:
        return old is new
    return match.get(old.operation) is new.operation and old.index == new.index


def _name(tensor: Tensor | None) -> str:
    return _ABSENT if tensor is None else plain(tensor.name)


def _values(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after:
            yield f"value of {plain(name)}: {'new' if name in after else 'gone'}"
            continue
        difference = _value_difference(before[name], after[name])
        if difference:
            yield f"value of {plain(name)}: {difference}"


def _value_difference(old: np.ndarray, new: np.ndarray) -> str:
    """How two arrays differ; empty if they are equal bit by bit."""
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return f"{old.dtype.name}{list(old.shape)} -> {new.dtype.name}{list(new.shape)}"
    if old.tobytes() == new.tobytes():
        return ""
    # Wide enough for each dtype; an unsigned difference would wrap around.
    wide = np.complex128 if old.dtype.kind == "c" else np.float64
    one, other = old.astype(wide), new.astype(wide)
    # NaN beside NaN, or infinity beside itself, is no difference of numbers.
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    count = int(np.sum(~is_same))
    if count == 0:
        return "equal numbers, other bits"
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.max(np.abs(np.where(is_same, 0, one - other)))
    return f"largest difference {largest:.3g}, in {count} of {old.size} elements"
