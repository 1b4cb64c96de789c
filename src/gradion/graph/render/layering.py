"""Layers of the boxes in one box, and their order in a layer.

Neither depends on what is folded: a folded box stands where it stands open. So this is done once,
and a viewer that folds and unfolds only has to place boxes (`placement`).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from gradion.graph.render.scene import Scene

__all__ = ["Arrangement", "Wire", "arrange", "arrangements"]

_SWEEPS: Final = 12


@final
@dataclass(eq=False)
class Wire:
    """What one output gives, within one box.

    `source` and `output` say which; `start` is the child that it leaves, or -1 if it enters from
    outside; `targets` are children that take it; `leaves` whether it goes on outside.
    """

    source: int
    output: int
    start: int
    targets: list[int]
    leaves: bool = False


@final
@dataclass(frozen=True)
class Arrangement:
    """The inside of a box: layers from top to bottom, each from left to right.

    A layer has numbers of children, and ~i where wire i passes. The first layer has the wires that
    enter, the last those that leave.
    """

    wires: tuple[Wire, ...]
    layers: tuple[tuple[int, ...], ...]


def arrangements(scene: Scene) -> dict[int, Arrangement]:
    """The inside of each box that has children, by its number."""
    wires = _wires(scene)
    return {
        box.number: arrange(box.children, wires.get(box.number, []))
        for box in scene.boxes
        if box.children
    }


def _wires(scene: Scene) -> dict[int, list[Wire]]:
    """The wires of each box: a link passes through all boxes between its ends."""
    found: dict[int, dict[tuple[int, int], Wire]] = {}

    def wire(holder: int, source: int, output: int, start: int) -> Wire:
        known = found.setdefault(holder, {})
        return known.setdefault((source, output), Wire(source, output, start, []))

    for link in scene.links:
        outwards = [link.source, *scene.ancestors(link.source)]
        inwards = [link.target, *scene.ancestors(link.target)]
        while outwards[-2] == inwards[-2]:  # neither end is around the other
            outwards.pop()
            inwards.pop()
        for child, holder in itertools.pairwise(outwards[:-1]):
            wire(holder, link.source, link.output, child).leaves = True
        meeting = wire(outwards[-1], link.source, link.output, outwards[-2])
        steps = [(meeting, inwards[-2])]
        for child, holder in itertools.pairwise(inwards[:-1]):
            steps.append((wire(holder, link.source, link.output, -1), child))
        for passed, child in steps:
            if child not in passed.targets:
                passed.targets.append(child)
    return {holder: list(known.values()) for holder, known in found.items()}


def arrange(children: Sequence[int], wires: Sequence[Wire]) -> Arrangement:
    """Layers by the longest path, ordered by barycentres; children are in an order of running."""
    layer = _longest_paths(children, wires)
    count = max(layer.values()) + 2
    slots: list[list[int]] = [[] for _ in range(count)]
    edges: list[list[tuple[int, int]]] = [[] for _ in range(count)]  # from a layer to the next
    for child in children:
        slots[layer[child]].append(child)
    for number, wire in enumerate(wires):
        ends = [layer[child] for child in wire.targets]
        last = count if wire.leaves else max(ends)
        previous, at = wire.start, layer.get(wire.start, -1)
        for passed in range(at + 1, last):
            slots[passed].append(~number)
            if passed > 0:
                edges[passed - 1].append((previous, ~number))
            edges[passed] += [(~number, t) for t in wire.targets if layer[t] == passed + 1]
            previous = ~number
        if at >= 0:
            edges[at] += [(wire.start, t) for t in wire.targets if layer[t] == at + 1]
    return Arrangement(tuple(wires), tuple(map(tuple, _ordered(slots, edges))))


def _longest_paths(children: Sequence[int], wires: Sequence[Wire]) -> dict[int, int]:
    """The layer of each child, from 1; what needs nothing stands just above what takes it."""
    followers: dict[int, list[int]] = {child: [] for child in children}
    entered = set()
    for wire in wires:
        if wire.start >= 0:
            followers[wire.start] += wire.targets
        else:
            entered.update(wire.targets)
    layer = dict.fromkeys(children, 1)
    fed = set(entered)
    for child in children:
        for follower in followers[child]:
            layer[follower] = max(layer[follower], layer[child] + 1)
            fed.add(follower)
    for child in children:
        if child not in fed and followers[child]:
            layer[child] = min(layer[follower] for follower in followers[child]) - 1
    return layer


def _ordered(slots: list[list[int]], edges: list[list[tuple[int, int]]]) -> list[list[int]]:
    """The layers in the best order that sweeps down and up find."""
    above = [_neighbours(pairs, towards=0) for pairs in edges]
    below = [_neighbours(pairs, towards=1) for pairs in edges]
    best, fewest = [list(layer) for layer in slots], _crossings(slots, edges)
    layers = [list(layer) for layer in slots]
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        if sweep % 2 == 0:
            for i in range(1, len(layers)):
                layers[i] = _sorted(layers[i], layers[i - 1], above[i - 1])
        else:
            for i in range(len(layers) - 2, -1, -1):
                layers[i] = _sorted(layers[i], layers[i + 1], below[i])
        crossings = _crossings(layers, edges)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _neighbours(pairs: list[tuple[int, int]], *, towards: int) -> dict[int, list[int]]:
    """For each slot at the other end of pairs, the slots at this end."""
    found: dict[int, list[int]] = {}
    for pair in pairs:
        found.setdefault(pair[1 - towards], []).append(pair[towards])
    return found


def _sorted(layer: list[int], fixed: list[int], neighbours: dict[int, list[int]]) -> list[int]:
    """A layer in the order of the mean places of its neighbours in the fixed one."""
    place = {slot: i / max(len(fixed) - 1, 1) for i, slot in enumerate(fixed)}
    own = {slot: i / max(len(layer) - 1, 1) for i, slot in enumerate(layer)}

    def centre(slot: int) -> float:
        near = neighbours.get(slot)
        return sum(place[n] for n in near) / len(near) if near else own[slot]

    return sorted(layer, key=centre)


def _crossings(layers: list[list[int]], edges: list[list[tuple[int, int]]]) -> int:
    """The number of pairs of lines that cross."""
    total = 0
    for i, pairs in enumerate(edges):
        if not pairs:
            continue
        upper = {slot: place for place, slot in enumerate(layers[i])}
        lower = {slot: place for place, slot in enumerate(layers[i + 1])}
        seen: list[int] = []
        for _, end in sorted((upper[a], lower[b]) for a, b in pairs):
            total += len(seen) - bisect.bisect_right(seen, end)
            bisect.insort(seen, end)
    return total
