"""A graph as an SVG picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from gradion.graph.graph import Graph
from gradion.graph.render.families import Family
from gradion.graph.render.layering import arrangements
from gradion.graph.render.metrics import METRICS
from gradion.graph.render.placement import Line, Place, place
from gradion.graph.render.scene import Box, Scene, scene_of, unfolded
from gradion.graph.render.summary import all_operations
from gradion.graph.render.text import plain, source_text
from gradion.graph.render.theme import DARK, LIGHT, style_sheet

__all__ = ["curve", "to_svg"]

_LEGEND: Final = 34.0
_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 6 6" refX="5.5" refY="3" markerWidth="6" '
    'markerHeight="6" orient="auto"><path class="tip" d="M0,0L6,3L0,6z"/></marker></defs>'
)


def to_svg(graph: Graph, *, depth: int | None = None) -> str:
    """An SVG picture of a graph.

    Scopes and subgraphs with `depth` or more boxes around them are folded, each to one box with
    the number of its operations; without `depth`, so many that the rest is seen at one look.
    The colours follow the reader's preference of light or dark.
    Raises ValueError for a negative depth.
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth: got {depth}, expected 0 or more")
    scene = scene_of(graph)
    chosen = unfolded(scene, depth)
    found = place(scene, arrangements(scene), chosen)
    families = _families(scene, found.places)
    whole = found.places[0]
    width = max(whole.width, sum(map(_legend_width, families)) + 2 * METRICS["margin"])
    height = whole.height + _LEGEND
    left = (width - whole.width) / 2
    is_open = {number for number in chosen if number in found.places and number != 0}
    size = f'width="{_n(width)}" height="{_n(height)}"'
    view = f'viewBox="0 0 {_n(width)} {_n(height)}"'
    dark = f"@media (prefers-color-scheme:dark){{\n{style_sheet(DARK, 'svg ')}}}\n"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {view}>',
        f"<title>A graph of {sum(1 for _ in all_operations(graph))} operations</title>",
        f"<style>\n{style_sheet(LIGHT)}{dark}</style>",
        _TIP,
        f'<rect class="ground" {size}/>',
        *_legend(families),
        f'<g transform="translate({_n(left)} {_n(_LEGEND)})">',
    ]
    boxes = [(scene.boxes[n], found.places[n]) for n in found.places if n != 0]
    parts += [_group(box, at) for box, at in boxes if box.number in is_open]
    parts += map(_line, found.lines)
    for box, at in boxes:
        if box.number not in is_open:
            parts += _box(box, at)
    parts += [_label(line) for line in found.lines if line.label]
    return "\n".join([*parts, "</g>", "</svg>\n"])


def curve(points: Sequence[tuple[float, float]]) -> str:
    """The path through points: curves that begin and end downwards, straight within a layer."""
    text = f"M{_n(points[0][0])},{_n(points[0][1])}"
    for i in range(1, len(points)):
        (x, y), (u, v) = points[i - 1], points[i]
        if i % 2 == 0:
            text += f"V{_n(v)}"
        else:
            half = (y + v) / 2
            text += f"C{_n(x)},{_n(half)} {_n(u)},{_n(half)} {_n(u)},{_n(v)}"
    return text


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>'


def _line(line: Line) -> str:
    is_order = all(output < 0 for _, output in line.keys)
    style = "line order" if is_order else "line"
    # A line that goes on outside, or inside, has its arrow there.
    tip = "" if line.is_partial else ' marker-end="url(#tip)"'
    return f'<path class="{style}" d="{curve(line.points)}"{tip}/>'


def _label(line: Line) -> str:
    x, y = line.points[0]
    return _text(x, y + 10, line.label, "label")


def _group(box: Box, at: Place) -> str:
    tops = (
        f'<g class="{box.family.key}"><rect class="group" x="{_n(at.x)}" y="{_n(at.y)}" '
        f'width="{_n(at.width)}" height="{_n(at.height)}" rx="8"/>'
    )
    title = _text(at.x + METRICS["pad"], at.y + METRICS["head"] / 2, box.title, "name")
    return f"{tops}{title}</g>"


def _box(box: Box, at: Place) -> Iterator[str]:
    """A box that shows nothing of what is in it."""
    tip = "\n".join(_description(box))
    head = METRICS["head"]
    yield f'<g class="{box.family.key}"><title>{escape(tip)}</title>'
    if box.children:
        yield (
            f'<rect class="stack" x="{_n(at.x + 4)}" y="{_n(at.y + 4)}" width="{_n(at.width)}" '
            f'height="{_n(at.height)}" rx="6"/>'
        )
    size = f'width="{_n(at.width)}" height="{_n(at.height)}"'
    if box.rows:
        yield f'<rect class="body" x="{_n(at.x)}" y="{_n(at.y)}" {size} rx="6"/>'
        d = (
            f"M{_n(at.x)},{_n(at.y + head)}v{_n(6 - head)}q0,-6 6,-6h{_n(at.width - 12)}"
            f"q6,0 6,6v{_n(head - 6)}z"
        )
        yield f'<path class="head" d="{d}"/>'
    else:
        round_ = head / 2 if box.family in (Family.INPUT, Family.OUTPUT) else 6.0
        yield (f'<rect class="head" x="{_n(at.x)}" y="{_n(at.y)}" {size} rx="{_n(round_)}"/>')
    middle = at.x + at.width / 2
    yield _text(middle, at.y + head / 2, box.title, "title middle")
    for i, row in enumerate(box.rows):
        y = at.y + head + 2 + METRICS["line"] * (i + 0.5)
        yield _text(middle, y, row, "row middle")
    yield "</g>"


def _description(box: Box) -> Iterator[str]:
    operation = box.operation
    if operation is None:
        yield f"{box.title}: {box.count} operations" if box.children else box.title
        return
    yield f"{plain(operation.name)}: {operation.kind}"
    yield from box.outputs
    if operation.source is not None:
        yield source_text(operation)


def _families(scene: Scene, shown: dict[int, Place]) -> list[Family]:
    """The families of the boxes that are seen, in the order of the list of families."""
    there = {scene.boxes[number].family for number in shown if number != 0}
    return [family for family in Family if family in there]


def _legend_width(family: Family) -> float:
    return 30.0 + len(family.value) * METRICS["row"] * METRICS["character"]


def _legend(families: Sequence[Family]) -> Iterator[str]:
    x = METRICS["margin"]
    for family in families:
        yield (
            f'<g><rect class="{family.key} head" x="{_n(x)}" y="12" width="10" height="10" rx="3"/>'
            f"{_text(x + 15, 17, family.value, 'row legend')}</g>"
        )
        x += _legend_width(family)
