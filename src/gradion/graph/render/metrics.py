"""Lengths of pictures, and how large a folded box is."""

from __future__ import annotations

import unicodedata
from typing import Final

from gradion.graph.render.scene import Box

__all__ = ["METRICS", "folded_size"]

# Lengths in pixels; the page gets the same numbers. Characters are as wide as those of common
# monospaced fonts, of which none is wider.
METRICS: Final[dict[str, float]] = {
    "title": 12.0,
    "row": 10.0,
    "label": 9.0,
    "character": 0.605,  # of the font's size
    "line": 14.0,
    "head": 24.0,
    "pad": 10.0,
    "margin": 16.0,
    "beside": 18.0,
    "wire": 12.0,
    "between": 42.0,
    "arrows": 9.0,
    "steep": 0.06,  # of how far lines go sideways: what layers are further apart
    "steepest": 60.0,
}


def folded_size(box: Box) -> tuple[float, float]:
    """Width and height of a box that shows nothing of what is in it.

    As wide as its texts, those at the lines that leave it included.
    """
    texts = [_width(box.title, METRICS["title"]) + (16.0 if box.children else 0.0)]
    texts += [_width(row, METRICS["row"]) for row in box.rows]
    labels = sum(_width(text, METRICS["label"]) + 8.0 for text in box.outputs)
    height = METRICS["head"] + METRICS["line"] * len(box.rows) + (4.0 if box.rows else 0.0)
    return max(max(texts) + 2 * METRICS["pad"], labels, 44.0), height


def _width(text: str, size: float) -> float:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return (len(text) + wide) * size * METRICS["character"]
