"""SVG, HTML and Graphviz text: structure, folding, and names that are markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from gradion.graph import Graph, TensorType
from gradion.graph.render import to_dot, to_html, to_svg
from gradion.graph.render.families import Family
from gradion.graph.render.scene import scene_of
from gradion.graph.render.text import plain
from gradion.graph.render.theme import HEADS

from .graph_examples import HOSTILE, chain, hostile, loops, random_graph, stateful

SVG = "{http://www.w3.org/2000/svg}"


class _Page(HTMLParser):
    """Elements, and the text of scripts, by their ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs).get("id", "")

    def handle_endtag(self, tag):
        self._script = None

    def handle_data(self, data):
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_picture_names_operations_types_and_families():
    svg = to_svg(loops())
    found = texts(svg)
    assert {"scan", "body", "branch 0", "dot_general", "float64[3]", "branch, loop"} <= set(found)
    titles = [e.text for e in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert any(title.startswith("head/dot_general_1: dot_general\nfloat64[3]") for title in titles)
    assert any("graph_examples.py:" in title for title in titles)


def test_scopes_are_folded_at_a_depth():
    graph = loops()
    folded, one, all_open = (texts(to_svg(graph, depth=depth)) for depth in (0, 1, 9))
    assert "scan" in folded
    assert "body" not in folded
    assert "9 operations" in [text for text in folded if "operations" in text]
    assert "body" in one
    assert "sin" not in one
    assert {"sin", "cond", "exp"} <= set(all_open)
    for draw in (to_svg, to_html):
        with pytest.raises(ValueError, match="depth: got -1"):
            draw(graph, depth=-1)


def test_a_picture_has_the_size_of_what_is_in_it():
    root = ElementTree.fromstring(to_svg(random_graph(2, 40)))
    left, top, width, height = map(float, root.get("viewBox").split())
    for rect in root.find(f"{SVG}g[@transform]").iter(f"{SVG}rect"):
        assert float(rect.get("x")) >= left
        assert float(rect.get("y")) + float(rect.get("height")) <= height
        assert float(rect.get("x")) + float(rect.get("width")) <= width
    assert (left, top) == (0, 0)


def test_state_is_drawn():
    found = texts(to_svg(stateful(), depth=9))
    assert {"variable, check", "w", "float64[2]", "trainable", "read_variable"} <= set(found)
    assert "stroke-dasharray" in to_svg(stateful())
    assert 'class="line order"' in to_svg(stateful(), depth=9)


def test_hostile_names_are_text_in_svg():
    svg = to_svg(hostile(), depth=9)
    root = ElementTree.fromstring(svg)  # well-formed
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert names <= {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
    assert any(title.text.startswith(plain(HOSTILE)) for title in root.iter(f"{SVG}title"))
    assert "\u202e" not in svg


def test_hostile_names_are_text_in_html():
    page = _Page(to_html(hostile(), title=HOSTILE))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "b" not in [tag for tag, _ in page.tags]
    data = json.loads(page.scripts["scene"])
    names = [box.get("name", "") for box in data["boxes"]]
    assert plain(HOSTILE) in names
    given = dict(next(box["attributes"] for box in data["boxes"] if box.get("attributes")))
    assert given["text"] == plain(HOSTILE)


def test_a_page_needs_nothing_from_elsewhere():
    text = to_html(loops())
    page = _Page(text)
    for tag, attributes in page.tags:
        assert "src" not in attributes
        assert "href" not in attributes
        assert tag not in ("link", "iframe", "img")
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    # The name of the language, which is never fetched.
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "{{" not in text.replace(page.scripts["scene"], "").replace(page.scripts[""], "")


def test_a_page_tells_all_about_an_operation():
    data = json.loads(_Page(to_html(loops())).scripts["scene"])
    (dot,) = [box for box in data["boxes"] if box.get("kind") == "dot_general"]
    assert dot["name"] == "head/dot_general_1"
    assert dot["scope"] == "head"
    assert dot["line"].startswith("graph_examples.py:")
    assert dot["outputs"] == ["float64[3]"]
    assert ["preferred_element_type", "float64"] in dot["attributes"]
    givers = [data["boxes"][number]["name"] for _, number in dot["inputs"]]
    assert givers == ["w", "x"]
    constants = [text for box in data["boxes"] for text, n in box.get("inputs", []) if n < 0]
    assert "constant_1:0 = 2" in constants


def test_a_page_of_much_starts_folded():
    data = json.loads(_Page(to_html(chain(5000))).scripts["scene"])
    seen = [b for b in data["boxes"][1:] if b["parent"] in data["open"]]
    assert len(data["boxes"]) > 5000
    assert len(seen) < 100


def test_constants_stand_in_the_boxes_of_what_takes_them():
    graph = random_graph(0, 20)
    titles = [box.title for box in scene_of(graph).boxes]
    assert "constant" not in titles
    rows = [row for box in scene_of(graph).boxes for row in box.rows]
    assert any(row.startswith("(2, ") or row.endswith(", 2)") for row in rows)


def test_an_input_of_many_is_named_instead_of_lined():
    graph = Graph()
    kind = TensorType("float64", ())
    x, y = (graph.placeholder(kind, name=name) for name in "xy")
    graph.outputs = [graph.add("mul", [x, y], [kind]).outputs[0] for _ in range(4)] + [
        graph.add("sin", [x], [kind]).outputs[0]
    ]
    scene = scene_of(graph)
    (box,) = [box for box in scene.boxes if box.title == "x"]
    assert box.rows == ("named by 5",)
    assert {link.source for link in scene.links if link.source == box.number} == set()
    assert [b.rows for b in scene.boxes if b.title == "mul"] == [("(x, _)",)] * 4


def test_white_titles_can_be_read_on_their_colours():
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert set(HEADS) == set(Family)
    for colour in HEADS.values():
        # The contrast that WCAG 2.1 asks for text (criterion 1.4.3, level AA).
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def _strings(dot: str) -> str:
    """The text with each quoted string as S; a quote that is not closed stays."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', "S", dot)


@pytest.mark.parametrize("make", [loops, hostile, stateful, lambda: random_graph(5, 50)])
def test_graphviz_text_is_quoted_and_balanced(make):
    dot = to_dot(make())
    bare = _strings(dot)
    assert '"' not in bare
    assert bare.count("{") == bare.count("}")
    assert re.fullmatch(r"[\w\s{}\[\]=,;>.\-]+", bare)
    defined = re.findall(r"^\s*(n\d+) \[", dot, re.MULTILINE)
    used = re.findall(r"(n\d+) -> (n\d+)", dot)
    assert len(defined) == len(set(defined))
    assert {node for pair in used for node in pair} <= set(defined)


def test_graphviz_text_has_clusters_of_scopes_and_branches():
    dot = to_dot(loops())
    for label in ("head", "scan_1", "body", "cond_1", "branch 1"):
        assert f'label="{label}"; style' in dot
    assert "head/dot_general_1\\ndot_general" in dot
    assert 'label="float64[3]"' in dot
