"""Layers of a picture and the order in them."""

from __future__ import annotations

import pytest

from gradion.graph.render.layering import Wire, arrange, arrangements
from gradion.graph.render.scene import scene_of

from .graph_examples import loops, random_graph


def crossings(arrangement) -> int:
    """The pairs of lines that cross between neighbouring layers, counted one by one."""
    layers = arrangement.layers
    place = [{slot: i for i, slot in enumerate(layer)} for layer in layers]
    count = 0
    for upper in range(len(layers) - 1):
        lines = []
        for number, wire in enumerate(arrangement.wires):
            begins = [s for s in (~number, wire.start) if s in place[upper]]
            ends = [s for s in (*wire.targets, ~number) if s in place[upper + 1]]
            if begins and (wire.start < 0 or begins[0] == wire.start or ~number in place[upper]):
                lines += [(place[upper][begins[0]], place[upper + 1][end]) for end in ends]
        count += sum((a - c) * (b - d) < 0 for a, b in lines for c, d in lines) // 2
    return count


def check(arrangement, children) -> None:
    """Each child once; wires go down a layer at a time, from their start to all their ends."""
    layers = arrangement.layers
    assert sorted(s for layer in layers for s in layer if s >= 0) == sorted(children)
    assert all(s < 0 for s in (*layers[0], *layers[-1]))
    layer = {slot: i for i, slots in enumerate(layers) for slot in slots if slot >= 0}
    for number, wire in enumerate(arrangement.wires):
        passed = [i for i, slots in enumerate(layers) if ~number in slots]
        first = layer[wire.start] + 1 if wire.start >= 0 else 0
        last = len(layers) - 1 if wire.leaves else max(layer[t] for t in wire.targets) - 1
        assert passed == list(range(first, last + 1))
        assert all(layer[target] >= first for target in wire.targets)


@pytest.mark.parametrize("seed", range(6))
def test_layers_hold_everything_and_lines_go_down(seed):
    scene = scene_of(random_graph(seed, 60))
    found = arrangements(scene)
    assert set(found) == {box.number for box in scene.boxes if box.children}
    for number, arrangement in found.items():
        check(arrangement, scene.boxes[number].children)


def test_subgraphs_are_arranged_too():
    scene = scene_of(loops())
    titles = {scene.boxes[number].title for number in arrangements(scene)}
    assert {"scan", "body", "cond", "branch 0", "branch 1"} <= titles


def test_lines_of_two_chains_are_not_crossed():
    # 0 -> 3, 1 -> 2 in an order that crosses at first.
    wires = [Wire(0, 0, 0, [3]), Wire(1, 0, 1, [2])]
    assert crossings(arrange([0, 1, 2, 3], wires)) == 0


def test_ordering_takes_crossings_away():
    # A ladder whose rungs are numbered at random: it can be drawn without a crossing.
    order = [4, 0, 5, 2, 1, 3]
    children = list(range(12))
    wires = [Wire(i, 0, i, [6 + order[i]]) for i in range(6)]
    assert crossings(arrange(children, wires)) == 0


def test_what_needs_nothing_stands_just_above_what_takes_it():
    # 0 -> 1 -> 2 -> 3, and 4 -> 3.
    wires = [Wire(0, 0, 0, [1]), Wire(1, 0, 1, [2]), Wire(2, 0, 2, [3]), Wire(4, 0, 4, [3])]
    layers = arrange([0, 4, 1, 2, 3], wires).layers
    assert [sorted(layer) for layer in layers] == [[], [0], [1], [2, 4], [3], []]
