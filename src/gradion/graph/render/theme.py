"""Colours and style sheets of pictures, for light and dark surroundings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, final

from gradion.graph.render.families import Family

__all__ = ["DARK", "FONT", "HEADS", "LIGHT", "Theme", "style_sheet"]

FONT: Final = 'ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace'


@final
@dataclass(frozen=True)
class Theme:
    """The colours that are not those of families.

    `group` is the ground of an open box, translucent so that nesting shows; `mark` and
    `given` are for lines from and to what is chosen.
    """

    ground: str
    group: str
    border: str
    body: str
    text: str
    faint: str
    line: str
    mark: str
    given: str


LIGHT: Final = Theme(
    ground="#f8f9fb",
    group="rgba(84,104,138,0.055)",
    border="#b9c2d0",
    body="#ffffff",
    text="#1d2430",
    faint="#5c6675",
    line="#8d98a8",
    mark="#d9480f",
    given="#0b7285",
)
DARK: Final = Theme(
    ground="#14171c",
    group="rgba(150,175,215,0.055)",
    border="#4a5361",
    body="#232830",
    text="#e7eaf0",
    faint="#9aa4b3",
    line="#6f7a8a",
    mark="#ff922b",
    given="#3bc9db",
)
# White text on each is readable (contrast 4.5 and more), on both grounds.
HEADS: Final[dict[Family, str]] = {
    Family.INPUT: "#2c7a4b",
    Family.OUTPUT: "#155e75",
    Family.CONSTANT: "#687080",
    Family.STATE: "#8f6210",
    Family.ELEMENTWISE: "#3667ad",
    Family.SHAPE: "#1d7878",
    Family.REDUCTION: "#7650b2",
    Family.PRODUCT: "#a8336f",
    Family.INDEXING: "#a85414",
    Family.CONTROL: "#b23a3a",
    Family.OPERATOR: "#4b5563",
    Family.SCOPE: "#566379",
}
_SHAPES: Final = f"""\
text{{font-family:{FONT};font-size:12px;dominant-baseline:central}}
.row{{font-size:10px}}
.label{{font-size:9px;text-anchor:middle;paint-order:stroke;stroke-width:3px}}
.middle{{text-anchor:middle}}
.title,.arrow{{fill:#fff}}
.title{{font-weight:600}}
.line{{fill:none;stroke-width:1.2px}}
.order{{stroke-dasharray:4 3}}
.group,.body,.stack{{stroke-width:1px}}
"""


def style_sheet(theme: Theme, scope: str = "") -> str:
    """The rules of a theme, for what is in a CSS selector or for all."""
    colours = {field.name: getattr(theme, field.name) for field in fields(theme)}
    rules = (
        ".ground{{fill:{ground}}}",
        ".group{{fill:{group};stroke:{border}}}",
        ".body,.stack{{fill:{body};stroke:{border}}}",
        ".row,.name,.legend{{fill:{text}}}",
        ".label{{fill:{faint};stroke:{ground}}}",
        ".fold{{fill:{faint}}}",
        ".line{{stroke:{line}}}",
        ".tip{{fill:{line}}}",
    )
    text = "".join(f"{scope}{rule.format(**colours)}\n" for rule in rules)
    heads = (f"{scope}.{f.key} .head,{scope}.{f.key}.head{{fill:{c}}}\n" for f, c in HEADS.items())
    return _SHAPES * (not scope) + text + "".join(heads)
