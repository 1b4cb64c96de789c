"""A graph as one page of HTML that folds, searches and explains, and needs no network."""

from __future__ import annotations

import html
import json
import re
from dataclasses import fields
from importlib.resources import files
from typing import Any, Final

from gradion.graph.graph import Graph, Tensor
from gradion.graph.render.families import Family
from gradion.graph.render.layering import Arrangement, arrangements
from gradion.graph.render.metrics import METRICS, folded_size
from gradion.graph.render.placement import SWEEPS
from gradion.graph.render.scene import Box, scene_of, unfolded
from gradion.graph.render.summary import all_operations
from gradion.graph.render.text import attribute_text, plain, shorten, source_text, value_text
from gradion.graph.render.theme import DARK, FONT, LIGHT, Theme, style_sheet

__all__ = ["picture_data", "to_html"]

_VALUE: Final = 160  # characters


def to_html(graph: Graph, *, depth: int | None = None, title: str = "graph") -> str:
    """One HTML file with the picture of a graph; scopes, branches and loops fold and unfold.

    At first those with `depth` or more boxes around them are folded; without `depth`, so many that
    the rest is seen at one look. Raises ValueError for a negative depth.
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth: got {depth}, expected 0 or more")
    # "<" would let a name end the script; in JSON its escape is the same text.
    data = json.dumps(picture_data(graph, depth=depth), separators=(",", ":"))
    folder = files("gradion.graph.render") / "page"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="ascii").strip()

    # The style sheet of pictures, with the colours of the theme that is chosen.
    chosen = Theme(**{field.name: f"var(--{field.name})" for field in fields(Theme)})
    parts = {
        "title": html.escape(plain(title)),
        "style": "\n".join([_colours(), style_sheet(chosen), read("page.css")]),
        "scene": data.replace("<", "\\u003c"),
        "script": "\n".join([read("place.js"), read("view.js")]),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], read("page.html"))
    return f"{page}\n"


def _colours() -> str:
    def rule(theme: Theme) -> str:
        return "".join(f"--{f.name}:{getattr(theme, f.name)};" for f in fields(theme))

    return (
        f":root{{--mono:{FONT};color-scheme:light dark;{rule(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{rule(DARK)}}}}}\n"
        f":root[data-theme=light]{{color-scheme:light;{rule(LIGHT)}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{rule(DARK)}}}"
    )


def picture_data(graph: Graph, *, depth: int | None = None) -> dict[str, Any]:
    """What the page's scripts read: boxes with details, their insides, links, lengths."""
    scene = scene_of(graph)
    numbers = {id(box.operation): box.number for box in scene.boxes if box.operation is not None}
    families = {box.family for box in scene.boxes[1:]}
    count, links = sum(1 for _ in all_operations(graph)), len(scene.links)
    return {
        "summary": f"{count} operations, {links} lines",
        "boxes": [_box(box, numbers) for box in scene.boxes],
        "insides": {n: _inside(a) for n, a in arrangements(scene).items()},
        "links": [[link.source, link.output, link.target] for link in scene.links],
        "open": sorted(unfolded(scene, depth)),
        "metrics": METRICS,
        "sweeps": SWEEPS,
        "families": [[f.key, f.value] for f in Family if f in families],
    }


def _inside(arrangement: Arrangement) -> dict[str, Any]:
    return {
        "wires": [
            {
                "source": wire.source,
                "output": wire.output,
                "start": wire.start,
                "targets": wire.targets,
                "leaves": wire.leaves,
            }
            for wire in arrangement.wires
        ],
        "layers": arrangement.layers,
    }


def _box(box: Box, numbers: dict[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "parent": box.parent,
        "title": box.title,
        "family": box.family.key,
        "rows": box.rows,
        "outputs": box.outputs,
        "children": box.children,
        "size": folded_size(box),
    }
    operation = box.operation
    if operation is None:
        return found
    attributes = [
        [plain(key), attribute_text(value, _VALUE)] for key, value in operation.attributes.items()
    ]
    if operation.value is not None:
        attributes.append(["value", value_text(operation.value, _VALUE)])
    found |= {
        "name": shorten(operation.name, _VALUE),
        "kind": operation.kind,
        "scope": shorten(operation.scope, _VALUE),
        "line": source_text(operation),
        "attributes": attributes,
        "inputs": [
            [_input_text(tensor), numbers.get(id(tensor.operation), -1)]
            for tensor in operation.inputs
        ]
        + [[f"^{plain(o.name)}", numbers.get(id(o), -1)] for o in operation.control_inputs],
    }
    return {key: value for key, value in found.items() if value not in ("", [])} | {
        "outputs": box.outputs,
        "children": box.children,
    }


def _input_text(tensor: Tensor) -> str:
    name = shorten(tensor.name, _VALUE)
    value = tensor.operation.value
    return name if value is None else f"{name} = {value_text(value, 40)}"
