"""Places of boxes and lines; the same in Python and in the page's script."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from importlib.resources import files

import pytest

from gradion.graph import Graph, TensorType
from gradion.graph.render.html import picture_data
from gradion.graph.render.layering import arrangements
from gradion.graph.render.placement import place
from gradion.graph.render.scene import Scene, scene_of, unfolded

from .graph_examples import chain, loops, random_graph, stateful

GRAPHS = {
    "random": random_graph(3, 70),
    "more": random_graph(4, 40),
    "loops": loops(),
    "state": stateful(),
    "chain": chain(8),
    "one": chain(0),
}
# A tenth of a pixel: coordinates are sums of some hundred lengths, exact to far less than that.
SLACK = 0.1


def states(scene: Scene) -> list[set[int]]:
    holders = {box.number for box in scene.boxes if box.children}
    some = {number for number in holders if number == 0 or number % 2}
    return [{0}, holders, some, unfolded(scene, None), unfolded(scene, 1)]


@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_are_inside_their_parents_and_not_over_each_other(name):
    scene = scene_of(GRAPHS[name])
    inside = arrangements(scene)
    for state in states(scene):
        places = place(scene, inside, state).places
        siblings: dict[int, list[int]] = {}
        for number, at in places.items():
            if number == 0:
                continue
            parent = scene.boxes[number].parent
            outer = places[parent]
            siblings.setdefault(parent, []).append(number)
            assert outer.x <= at.x
            assert outer.y <= at.y
            assert at.x + at.width <= outer.x + outer.width + SLACK
            assert at.y + at.height <= outer.y + outer.height + SLACK
        for numbers in siblings.values():
            for a, b in itertools.combinations((places[n] for n in numbers), 2):
                beside = a.x + a.width <= b.x + SLACK or b.x + b.width <= a.x + SLACK
                above = a.y + a.height <= b.y + SLACK or b.y + b.height <= a.y + SLACK
                assert beside or above


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_seen_is_what_is_not_in_a_folded_box(name):
    scene = scene_of(GRAPHS[name])
    for state in states(scene):
        seen = place(scene, arrangements(scene), state).places
        expected = {b.number for b in scene.boxes if state.issuperset(scene.ancestors(b.number))}
        assert set(seen) == expected


@pytest.mark.parametrize("name", GRAPHS)
def test_lines_go_down_from_box_to_box_and_tell_every_link(name):
    scene = scene_of(GRAPHS[name])
    for state in states(scene):
        found = place(scene, arrangements(scene), state)
        reached: dict[tuple[int, int], set[int]] = {}
        for line in found.lines:
            heights = [y for _, y in line.points]
            assert heights == sorted(heights)
            source, target = found.places[line.source], found.places[line.target]
            x, y = line.points[0]
            assert source.x <= x <= source.x + source.width
            assert y in (source.y, pytest.approx(source.y + source.height))
            x, y = line.points[-1]
            assert target.x <= x <= target.x + target.width
            assert y in (target.y, pytest.approx(target.y + target.height))
            for key in line.keys:
                reached.setdefault(key, set()).add(line.target)
        for link in scene.links:
            ends = [link.target, *scene.ancestors(link.target)]
            seen = next(n for n in reversed(ends) if n == link.target or n not in state)
            is_inside = seen in (link.source, *scene.ancestors(link.source))
            assert is_inside or seen in reached[link.source, link.output]


def test_tensors_out_of_one_folded_box_are_one_line():
    graph = Graph()
    kind = TensorType("float64", (3,))
    x = graph.placeholder(kind, name="x")
    a, b, c = (graph.add("sin", [x], [kind], scope="a").outputs[0] for _ in range(3))
    graph.outputs = [graph.add("select_n", [a, b, c], [kind]).outputs[0]]
    scene = scene_of(graph)
    folded = next(box for box in scene.boxes if box.title == "a")
    lines = place(scene, arrangements(scene), {0}).lines
    (out,) = [line for line in lines if line.source == folded.number]
    assert out.label == "3 tensors"
    lines = place(scene, arrangements(scene), {0, folded.number}).lines
    sines = {box.number for box in scene.boxes if box.title == "sin"}
    labels = [line.label for line in lines if line.source in sines]
    assert labels == ["float64[3]"] * 3


def test_a_deeper_picture_folds_less():
    scene = scene_of(random_graph(1, 60))
    sizes = [len(place(scene, arrangements(scene), unfolded(scene, d)).places) for d in range(5)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 1 + len(scene.boxes[0].children)
    assert sizes[-1] == len(scene.boxes)


@pytest.mark.skipif(shutil.which("node") is None, reason="the script needs node")
def test_the_pages_script_places_the_same():
    script = (files("gradion.graph.render") / "page" / "place.js").read_text()
    cases, expected = [], []
    for graph in GRAPHS.values():
        scene = scene_of(graph)
        for state in states(scene):
            cases.append([picture_data(graph), sorted(state)])
            expected.append(place(scene, arrangements(scene), state))
    program = f"""{script}
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([scene, open]) => {{
  const {{ places, lines }} = place(scene, new Set(open));
  return [[...places].map(([n, p]) => [n, p.x, p.y, p.width, p.height]),
          lines.map((l) => [l.source, l.target, l.label, l.keys, l.partial, l.points])];
}})));"""
    run = subprocess.run(
        ["node", "-e", program],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for (places, lines), want in zip(json.loads(run.stdout), expected, strict=True):
        assert [row[0] for row in places] == list(want.places)
        for (_, *numbers), at in zip(places, want.places.values(), strict=True):
            # Sums in another order: round-off of numbers of some thousands.
            assert numbers == pytest.approx([at.x, at.y, at.width, at.height], abs=1e-6)
        for row, line in zip(lines, want.lines, strict=True):
            keys = [f"{source}:{output}" for source, output in line.keys]
            assert row[:5] == [line.source, line.target, line.label, keys, line.is_partial]
            assert row[5] == [pytest.approx(point, abs=1e-6) for point in line.points]
