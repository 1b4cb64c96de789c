"""What a picture of a graph shows: boxes within boxes, and links between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, final

from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.render.families import Family, family_of
from gradion.graph.render.regions import Region, predecessors, regions
from gradion.graph.render.text import (
    attribute_text,
    plain,
    shorten,
    subgraph_names,
    value_text,
)
from gradion.graph.state import variable_type

__all__ = ["Box", "Link", "Scene", "scene_of", "unfolded"]

# An input that more operations take is named in their boxes: so many lines would hide the rest.
_WIDE: Final = 4
# More outputs than this stand in a box of their own.
_MANY: Final = 8
_TITLE, _ROW, _OPERAND, _ATTRIBUTE = 34, 34, 12, 14  # characters
# So many boxes are seen at once at first.
_FIRST_SIGHT: Final = 36


@final
@dataclass(eq=False)
class Box:
    """A box: an operation, an output, a scope, a subgraph, or (number 0) the whole.

    `rows` are lines under the title, while it is folded. `children` are boxes in it, in an order in
    which they can run; a box with children can be folded, and `count` is the number of operations
    in it. `outputs` are the texts at the lines that leave it, by the index of the output.
    """

    number: int
    parent: int
    title: str
    family: Family
    rows: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    operation: Operation | None = None
    children: list[int] = field(default_factory=list)
    count: int = 0


@final
@dataclass(frozen=True)
class Link:
    """A line from an output of a box to a box; `output` is -1 for one that only tells the order."""

    source: int
    output: int
    target: int


@final
@dataclass(frozen=True)
class Scene:
    """Boxes by number, each behind its parent, and links between boxes of one graph."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]

    def ancestors(self, number: int) -> list[int]:
        """The boxes around a box, from its parent to the whole."""
        found = []
        while number > 0:
            number = self.boxes[number].parent
            found.append(number)
        return found


def scene_of(graph: Graph) -> Scene:
    """The scene of a graph; constants stand as text in the boxes of what takes them."""
    writer = _Writer()
    root = writer.box(-1, "graph", Family.SCOPE)
    writer.graph(graph, root)
    return Scene(tuple(writer.boxes), tuple(writer.links))


def unfolded(scene: Scene, depth: int | None) -> set[int]:
    """The numbers of the boxes with children that are not folded.

    With a depth those that have fewer boxes than that around them; without, from the outside in,
    as many as can be looked at together.
    """
    holders = [box for box in scene.boxes if box.children]
    nesting = {box.number: len(scene.ancestors(box.number)) for box in holders}
    if depth is not None:
        return {box.number for box in holders if box.number == 0 or nesting[box.number] <= depth}
    shown, chosen = len(scene.boxes[0].children), {0}
    for box in sorted(holders[1:], key=lambda b: (nesting[b.number], len(b.children))):
        if box.parent in chosen and shown + len(box.children) <= _FIRST_SIGHT:
            shown += len(box.children)
            chosen.add(box.number)
    return chosen


@final
class _Writer:
    """Writes graphs into one scene."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.links: list[Link] = []

    def box(self, parent: int, title: str, family: Family) -> Box:
        """Add a box."""
        box = Box(len(self.boxes), parent, shorten(title, _TITLE), family)
        self.boxes.append(box)
        if parent >= 0:
            self.boxes[parent].children.append(box.number)
        return box

    def graph(self, graph: Graph, holder: Box) -> None:
        """Fill a box with a graph."""
        takers: Counter[Operation] = Counter()
        for operation in graph:
            takers.update(predecessors(operation, graph))
        named = {
            operation
            for operation in graph
            if (operation.kind == "constant" and takers[operation])
            or (operation.kind in ("placeholder", "read_variable") and takers[operation] > _WIDE)
        }
        shown = [o for o in graph if o not in named or o.kind != "constant"]
        boxes: dict[Operation, Box] = {}
        idle = {o for o in shown if o.kind == "placeholder" and (o in named or not takers[o])}
        idle -= {tensor.operation for tensor in graph.outputs}
        region = _sources_apart(regions(graph, shown), idle, graph)
        self._region(region, holder, boxes, named)
        for operation, box in boxes.items():
            if operation in named:
                box.rows = (*box.rows, f"named by {takers[operation]}")
            self._links(operation, graph, boxes, named)
        self._outputs(graph, holder, boxes)

    def _region(
        self, region: Region, box: Box, boxes: dict[Operation, Box], named: set[Operation]
    ) -> None:
        """Fill a box with a region; the operations in it are counted."""
        box.count = region.count
        are_inputs = all(map(_is_input, region.children))
        box.rows = (f"{region.count} {'inputs' if are_inputs else 'operations'}",)
        for child in region.children:
            if isinstance(child, Region):
                title = "/".join(child.path[len(region.path) :])
                self._region(child, self.box(box.number, title, Family.SCOPE), boxes, named)
            else:
                boxes[child] = self._operation(child, box.number, named)

    def _operation(self, operation: Operation, parent: int, named: set[Operation]) -> Box:
        box = self.box(parent, _title(operation), family_of(operation.kind))
        box.operation = operation
        box.rows = _rows(operation, named)
        box.outputs = tuple(str(tensor.type) for tensor in operation.outputs)
        for name, subgraph in zip(subgraph_names(operation), operation.subgraphs, strict=True):
            inner = self.box(box.number, name, Family.SCOPE)
            self.graph(subgraph, inner)
            box.count += inner.count
        if box.children:
            box.rows = (*box.rows, f"{box.count} operations")
        return box

    def _links(
        self,
        operation: Operation,
        graph: Graph,
        boxes: dict[Operation, Box],
        named: set[Operation],
    ) -> None:
        target = boxes[operation].number
        data = [t for t in dict.fromkeys(operation.inputs) if t.operation not in named]
        found = [Link(boxes[t.operation].number, t.index, target) for t in data]
        givers = {tensor.operation for tensor in operation.inputs}
        for before in predecessors(operation, graph):
            if before not in givers and before in boxes:
                found.append(Link(boxes[before].number, -1, target))
        self.links += found

    def _outputs(self, graph: Graph, holder: Box, boxes: dict[Operation, Box]) -> None:
        """A box for each tensor that the graph gives back."""
        places: dict[Tensor, list[str]] = {}
        for place, tensor in enumerate(graph.outputs):
            places.setdefault(tensor, []).append(str(place))
        around = holder
        if len(places) > _MANY:
            around = self.box(holder.number, "outputs", Family.SCOPE)
            around.rows = (f"{len(places)} outputs",)
        for tensor, numbers in places.items():
            box = self.box(around.number, f"output {', '.join(numbers)}", Family.OUTPUT)
            if tensor.operation in boxes:
                self.links.append(Link(boxes[tensor.operation].number, tensor.index, box.number))
            else:  # a constant
                box.rows = (_operand(tensor),)


def _sources_apart(region: Region, idle: set[Operation], graph: Graph) -> Region:
    """The region with its inputs and its variables in boxes of their own where they are many.

    More can stand beside each other where lines show what takes them.
    """
    inputs = [child for child in region.children if _is_input(child)]
    held = [child for child in region.children if _is_variable(child, graph)]
    fronts: list[Region | Operation] = []
    for group, most, title in (
        ([child for child in inputs if child not in idle], 2 * _MANY, "inputs"),
        ([child for child in inputs if child in idle], _MANY, "other inputs"),
        (held, _MANY, "variables"),
    ):
        is_many = len(group) > most
        fronts += [Region((*region.path, title), tuple(group))] if is_many else group
    apart = {id(child) for child in (*inputs, *held)}
    others = [child for child in region.children if id(child) not in apart]
    return Region(region.path, (*fronts, *others))


def _is_input(child: Region | Operation) -> bool:
    return isinstance(child, Operation) and child.kind == "placeholder"


def _is_variable(child: Region | Operation, graph: Graph) -> bool:
    """Whether it is a variable with what only needs that: a first value, a read."""
    inside = list(child.operations()) if isinstance(child, Region) else [child]
    if sum(o.kind == "variable" for o in inside) != 1:
        return False
    before = {p for o in inside for p in predecessors(o, graph) if p.kind != "constant"}
    return before <= set(inside)


def _title(operation: Operation) -> str:
    """The kind; of inputs and variables the name, which says more."""
    if operation.kind in ("placeholder", "variable"):
        return operation.name
    if operation.kind == "native_call":
        return str(operation.attributes.get("operator", operation.kind))
    return operation.kind


def _rows(operation: Operation, named: set[Operation]) -> tuple[str, ...]:
    """The name where somebody gave it, operands that no line shows, and short attributes."""
    if operation.kind == "placeholder":
        return ()
    if operation.kind == "constant" and operation.value is not None:
        return (value_text(operation.value, _ROW),)
    if operation.kind == "variable":
        is_trained = operation.attributes["trainable"]
        return (str(variable_type(operation)), "trainable" if is_trained else "not trainable")
    rows = []
    own = _scope_end(operation.name)
    if not own.startswith(operation.kind):
        rows.append(own)
    if any(tensor.operation in named for tensor in operation.inputs):
        operands = [_operand(t) if t.operation in named else "_" for t in operation.inputs]
        rows.append(f"({', '.join(operands)})")
    for key, value in operation.attributes.items():
        text = attribute_text(value, _ATTRIBUTE + 1)
        if operation.kind != "native_call" and 0 < len(text) <= _ATTRIBUTE:
            rows.append(f"{key}={text}")
    return tuple(shorten(row, _ROW) for row in rows[:4])


def _scope_end(name: str) -> str:
    """The last part of a name with scopes in front."""
    return plain(name.rpartition("/")[2])


def _operand(tensor: Tensor) -> str:
    value = tensor.operation.value
    if value is None:
        return shorten(tensor.operation.name, _OPERAND)
    return value_text(value, _OPERAND) if value.ndim == 0 else str(tensor.type)
