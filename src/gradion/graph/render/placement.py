"""Where boxes and lines stand, for one choice of what is folded.

`page/place.js` does the same in a browser, step by step; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, final

from gradion.graph.render.layering import Arrangement, Wire
from gradion.graph.render.metrics import METRICS, folded_size
from gradion.graph.render.scene import Box, Scene

__all__ = ["SWEEPS", "Line", "Place", "Placement", "place"]

SWEEPS: Final = 10

_Point = tuple[float, float]
_Key = tuple[int, int]
# Of a slot in a layer: layer and slot of one tied to it, how far off its middle, how strongly.
_Tie = tuple[int, int, float, float]


@final
@dataclass
class Place:
    """Left, top, width and height of a box."""

    x: float
    y: float
    width: float
    height: float


@final
@dataclass(frozen=True)
class Line:
    """A line from a drawn box to a drawn box, or to or from the border of the open one around it.

    `points` are its ends and, between them, the top and the bottom of each layer that it passes.
    `keys` are the outputs, by box and index, that go along it; `label` is written at its start.
    """

    source: int
    target: int
    points: list[_Point]
    keys: tuple[_Key, ...]
    label: str
    is_partial: bool  # it goes on outside of the border, or inside of the box that it reaches


@final
@dataclass
class Placement:
    """Places of the boxes that are seen, by number, outer ones first, and lines."""

    places: dict[int, Place] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


def place(
    scene: Scene, arrangements: Mapping[int, Arrangement], unfolded: AbstractSet[int]
) -> Placement:
    """Places and lines of all that is seen where these boxes with children are not folded."""
    return _Placer(scene, arrangements, unfolded).placement()


@final
class _Inside:
    """The inside of an open box, relative to its corner."""

    def __init__(self, arrangement: Arrangement) -> None:
        self.wires = arrangement.wires
        self.layer = {s: i for i, layer in enumerate(arrangement.layers) for s in layer if s >= 0}
        self.sizes: dict[int, _Point] = {}  # of children
        # Wires that are drawn, with those that each stands for.
        self.bundles: dict[int, list[int]] = {}
        self.layers: list[list[int]] = []
        self.passed: dict[int, range] = {}  # layers, by drawn wire
        self.middles: list[dict[int, float]] = []  # of the slots of each layer, horizontally
        self.bands: list[_Point] = []  # top and bottom of each layer
        self.ties: dict[_Key, list[_Tie]] = {}
        # Where outputs cross the border, from the left.
        self.entries: dict[_Key, float] = {}
        self.exits: dict[_Key, float] = {}


@final
class _Placer:
    """Sizes from the inside out, then places from the outside in."""

    def __init__(
        self,
        scene: Scene,
        arrangements: Mapping[int, Arrangement],
        unfolded: AbstractSet[int],
    ) -> None:
        self._scene = scene
        self._arrangements = arrangements
        self._unfolded = unfolded
        self._insides: dict[int, _Inside] = {}
        self._found = Placement()

    def placement(self) -> Placement:
        """All places and lines."""
        width, height = self._inside(0)
        self._found.places[0] = Place(0.0, 0.0, width, height)
        self._draw(0)
        self._part_arrows()
        return self._found

    def _is_open(self, number: int) -> bool:
        return number in self._unfolded and number in self._arrangements

    def _inside(self, number: int) -> _Point:
        """Place what is in an open box; its size."""
        arrangement = self._arrangements[number]
        inside = self._insides[number] = _Inside(arrangement)
        for child in inside.layer:
            is_open = self._is_open(child)
            inside.sizes[child] = (
                self._inside(child) if is_open else folded_size(self._scene.boxes[child])
            )
        self._bundle(arrangement, inside)
        inside.layers = [
            [slot for slot in layer if slot >= 0 or ~slot in inside.bundles]
            for layer in arrangement.layers
        ]
        for i, layer in enumerate(inside.layers):
            for slot in layer:
                if slot < 0:
                    first = inside.passed.get(~slot, range(i, i)).start
                    inside.passed[~slot] = range(first, i + 1)
        self._across(inside)
        return self._settle(self._scene.boxes[number], inside)

    def _bundle(self, arrangement: Arrangement, inside: _Inside) -> None:
        """Wires that come from one folded box are drawn as one: the longest stands for all."""
        lengths = [0] * len(arrangement.wires)
        for layer in arrangement.layers:
            for slot in layer:
                if slot < 0:
                    lengths[~slot] += 1
        bundles: dict[_Key, list[int]] = {}
        for i, wire in enumerate(arrangement.wires):
            seen = self._seen(wire.source)
            key = (seen, wire.output if seen == wire.source else 0)
            bundles.setdefault(key, []).append(i)
        for members in bundles.values():
            inside.bundles[max(members, key=lambda i: lengths[i])] = members

    def _seen(self, number: int) -> int:
        """The outermost folded box around a box, or that itself."""
        seen = number
        for outer in self._scene.ancestors(number):
            seen = seen if self._is_open(outer) else outer
        return seen

    def _start(self, wire: Wire, inside: _Inside) -> float:
        """Where a wire leaves its start, from the start's left."""
        width = inside.sizes[wire.start][0]
        if wire.start == wire.source:
            count = len(self._scene.boxes[wire.source].outputs)
            return width * (wire.output + 1) / (count + 1) if wire.output >= 0 else width / 2
        if self._is_open(wire.start):
            return self._insides[wire.start].exits[wire.source, wire.output]
        return width / 2

    def _end(self, wire: Wire, target: int, inside: _Inside) -> float:
        """Where a wire ends at a target, from the target's left."""
        middle = inside.sizes[target][0] / 2
        if not self._is_open(target):
            return middle
        return self._insides[target].entries.get((wire.source, wire.output), middle)

    def _across(self, inside: _Inside) -> None:
        """Middles of slots: each near the mean of those it is tied to, none over another."""
        ties = inside.ties = self._ties(inside)
        widths = [
            [inside.sizes[slot][0] if slot >= 0 else METRICS["wire"] for slot in layer]
            for layer in inside.layers
        ]
        gaps = [_gaps(layer, w) for layer, w in zip(inside.layers, widths, strict=True)]
        for layer, gap in zip(inside.layers, gaps, strict=True):
            found = _spread([0.0] * len(layer), [1.0] * len(layer), gap)
            inside.middles.append(dict(zip(layer, found, strict=True)))
        count = len(inside.layers)
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for i in range(count) if down else range(count - 1, -1, -1):
                wanted, weights = [], []
                for slot in inside.layers[i]:
                    near = ties.get((i, slot), [])
                    # The last sweep looks both ways.
                    near = [t for t in near if sweep == SWEEPS - 1 or (t[0] < i) == down]
                    weight = sum(t[3] for t in near)
                    aims = sum(t[3] * (inside.middles[t[0]][t[1]] + t[2]) for t in near)
                    wanted.append(aims / weight if near else inside.middles[i][slot])
                    weights.append(weight if near else 0.1)
                found = _spread(wanted, weights, gaps[i])
                inside.middles[i] = dict(zip(inside.layers[i], found, strict=True))

    def _ties(self, inside: _Inside) -> dict[_Key, list[_Tie]]:
        """For each slot in a layer what it should stand above and below."""
        ties: dict[_Key, list[_Tie]] = {}

        def tie(upper: _Key, lower: _Key, off: float, strength: float) -> None:
            ties.setdefault(lower, []).append((*upper, off, strength))
            ties.setdefault(upper, []).append((*lower, -off, strength))

        for i, members in inside.bundles.items():
            wire = inside.wires[i]
            passed = inside.passed.get(i, range(0))
            begin, shift = (0, ~i), 0.0
            if wire.start >= 0:
                begin = (inside.layer[wire.start], wire.start)
                shift = self._start(wire, inside) - inside.sizes[wire.start][0] / 2
                if passed:
                    tie(begin, (passed[0], ~i), shift, 2.0)
            for k in passed[:-1]:
                tie((k, ~i), (k + 1, ~i), 0.0, 4.0)
            for m in members:
                for target in inside.wires[m].targets:
                    end = self._end(inside.wires[m], target, inside) - inside.sizes[target][0] / 2
                    layer = inside.layer[target]
                    if layer - 1 in passed:
                        tie((layer - 1, ~i), (layer, target), -end, 1.0)
                    else:
                        tie(begin, (layer, target), shift - end, 1.0)
        return ties

    def _settle(self, box: Box, inside: _Inside) -> _Point:
        """Shift middles so that all is right of the border, set the layers' bands; the size."""
        edges = [
            (middle - width / 2, middle + width / 2)
            for middles in inside.middles
            for slot, middle in middles.items()
            for width in [inside.sizes[slot][0] if slot >= 0 else METRICS["wire"]]
        ]
        left, right = min(edge[0] for edge in edges), max(edge[1] for edge in edges)
        least = 0.0 if box.number == 0 else folded_size(box)[0] - 2 * METRICS["margin"]
        spare = max(least - (right - left), 0.0)
        shift = METRICS["margin"] + spare / 2 - left
        inside.middles = [{s: m + shift for s, m in layer.items()} for layer in inside.middles]
        y = 0.0 if box.number == 0 else METRICS["head"]
        last = len(inside.layers) - 1
        for i, layer in enumerate(inside.layers):
            if i == 0:
                inside.bands.append((0.0, 0.0))
                y += (
                    METRICS["between"] / 2 + self._reach(0, inside)
                    if layer
                    else METRICS["margin"] / 2
                )
            elif i == last:
                y += METRICS["margin"] - METRICS["between"] if not layer else -METRICS["margin"] / 2
                inside.bands.append((y, y))
            else:
                height = max((inside.sizes[slot][1] for slot in layer if slot >= 0), default=0.0)
                inside.bands.append((y, y + height))
                y += height + METRICS["between"] + self._reach(i, inside)
        for i, members in inside.bundles.items():
            for wire in (inside.wires[m] for m in members):
                key = (wire.source, wire.output)
                if wire.start < 0:
                    inside.entries[key] = inside.middles[0][~i]
                if wire.leaves:
                    inside.exits[key] = inside.middles[last][~i]
        return right - left + spare + 2 * METRICS["margin"], y

    def _reach(self, upper: int, inside: _Inside) -> float:
        """How much further apart two layers are, for lines between them that go far sideways."""
        middles = inside.middles
        far = [
            abs(middles[upper][slot] - off - middles[layer][other])
            for slot in inside.layers[upper]
            for layer, other, off, _ in inside.ties.get((upper, slot), [])
            if layer == upper + 1
        ]
        return min(METRICS["steep"] * max(far, default=0.0), METRICS["steepest"])

    def _draw(self, number: int) -> None:
        """Places and lines of what is in an open box that has its place."""
        inside, corner = self._insides[number], self._found.places[number]
        for i, layer in enumerate(inside.layers):
            top, bottom = inside.bands[i]
            for slot in layer:
                if slot < 0:
                    continue
                width, height = inside.sizes[slot]
                x = corner.x + inside.middles[i][slot] - width / 2
                y = corner.y + top + (bottom - top - height) / 2
                self._found.places[slot] = Place(x, y, width, height)
        for i, members in inside.bundles.items():
            self._lines(number, i, members)
        for child in inside.layer:
            if self._is_open(child):
                self._draw(child)

    def _lines(self, number: int, i: int, members: list[int]) -> None:
        """The lines of one drawn wire: one to each target, and one to the border."""
        inside, corner = self._insides[number], self._found.places[number]
        wire = inside.wires[i]
        points: list[_Point] = []
        first = 0
        if wire.start >= 0:
            box = self._found.places[wire.start]
            points.append((box.x + self._start(wire, inside), box.y + box.height))
            first = inside.layer[wire.start] + 1
        for k in inside.passed.get(i, ()):
            x = corner.x + inside.middles[k][~i]
            points += [(x, corner.y + y) for y in inside.bands[k]]
        if wire.start < 0:
            points = points[1:]  # the border has no height
            first = 0
        label = self._label(wire, members)
        ends: dict[tuple[int, float], list[_Key]] = {}
        wires = [inside.wires[m] for m in members]
        for other in wires:
            for target in other.targets:
                end = self._end(other, target, inside)
                ends.setdefault((target, end), []).append((other.source, other.output))
        source = wire.start if wire.start >= 0 else number
        for (target, end), keys in ends.items():
            box = self._found.places[target]
            passed = points[: 1 + 2 * (inside.layer[target] - first - (wire.start < 0))]
            line = [*passed, (box.x + end, box.y)]
            self._found.lines.append(
                Line(source, target, line, tuple(keys), label, self._has_entry(target, keys))
            )
            label = ""
        keys = [(other.source, other.output) for other in wires if other.leaves]
        if keys:
            self._found.lines.append(Line(source, number, points[:-1], tuple(keys), label, True))

    def _has_entry(self, target: int, keys: Sequence[_Key]) -> bool:
        return self._is_open(target) and keys[0] in self._insides[target].entries

    def _label(self, wire: Wire, members: list[int]) -> str:
        """The type at a line's start; how many there are where they leave a folded box."""
        starts_inside = wire.start != wire.source and self._is_open(wire.start)
        if wire.start < 0 or starts_inside or wire.output < 0:
            return ""
        if len(members) > 1:
            return f"{len(members)} tensors"
        return self._scene.boxes[wire.source].outputs[wire.output]

    def _part_arrows(self) -> None:
        """Let lines that end in the middle of one box end beside each other."""
        ends: dict[int, list[Line]] = {}
        for line in self._found.lines:
            if not line.is_partial:
                ends.setdefault(line.target, []).append(line)
        for target, lines in ends.items():
            width = self._found.places[target].width - 2 * METRICS["pad"]
            step = min(METRICS["arrows"], width / max(len(lines), 1))
            lines.sort(key=lambda line: line.points[-2][0])
            for i, line in enumerate(lines):
                x, y = line.points[-1]
                line.points[-1] = (x + step * (i - (len(lines) - 1) / 2), y)


def _gaps(layer: Sequence[int], widths: Sequence[float]) -> list[float]:
    """The least distance of each slot's middle from that of the one before it."""
    gaps = [0.0] * min(len(layer), 1)
    for i in range(1, len(layer)):
        both_wires = layer[i - 1] < 0 and layer[i] < 0
        beside = 0.0 if both_wires else METRICS["beside"]
        gaps.append((widths[i - 1] + widths[i]) / 2 + beside)
    return gaps


def _spread(
    wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]
) -> list[float]:
    """The places nearest to those wanted, in weighted squares, with these least distances.

    Less the distances from the first, places may only rise: so that neighbours whose wishes fall
    get their mean (the pool-adjacent-violators algorithm).
    """
    offsets: list[float] = []
    for gap in gaps:
        offsets.append((offsets[-1] if offsets else 0.0) + gap)
    blocks: list[list[float]] = []  # mean, weight, number of slots
    for wish, weight, offset in zip(wanted, weights, offsets, strict=True):
        blocks.append([wish - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, total, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * total) / (last[1] + total)
            last[1] += total
            last[2] += count
    means = [block[0] for block in blocks for _ in range(int(block[2]))]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
