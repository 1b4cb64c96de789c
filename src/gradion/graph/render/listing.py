"""A graph as text: a line an operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradion.foundation.errors import unknown_name
from gradion.graph.graph import Graph, Operation, Tensor
from gradion.graph.render.text import (
    attribute_text,
    plain,
    scope_parts,
    shorten,
    source_text,
    subgraph_names,
    value_text,
)

__all__ = ["describe_operation", "scopes", "to_text"]

_ATTRIBUTE, _VALUE, _WHOLE = 40, 60, 10_000  # characters
_INDENT = "  "


def to_text(graph: Graph, *, scope: str | None = None, limit: int | None = None) -> str:
    """A listing: inputs, variables, operations with types and attributes, outputs.

    A line has the results' types, then the kind with its operands and shortened attributes, then
    the line of code. Subgraphs are indented under the operation. With `scope` it lists what is in
    that scope alone, with `limit` at most so many operations.

    Raises InputError, with near names, for an unknown scope, ValueError for a negative limit.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit: got {limit}, expected 0 or more")
    operations = graph.operations
    if scope is not None:
        operations = _in_scope(graph, scope)
    held = [o for o in operations if o.kind == "variable"]
    rest = [o for o in operations if o.kind not in ("variable", "placeholder")]
    if scope is not None:
        rest = [o for o in operations if o.kind != "variable"]
    shown = rest[:limit]
    parts: list[tuple[str, Sequence[str]]] = []
    if scope is None:
        inputs = [f"{plain(t.name)}: {t.type}" for t in graph.inputs]
        parts.append((f"inputs ({len(inputs)})", inputs))
    if held:
        parts.append((f"variables ({len(held)})", [_variable(o) for o in held]))
    lines = [line for operation in shown for line in _lines(operation)]
    if len(shown) < len(rest):
        lines.append(f"... {len(rest) - len(shown)} more")
    parts.append((f"operations ({len(rest)})", lines))
    if scope is None:
        outputs = [f"{plain(t.name)}: {t.type}" for t in graph.outputs]
        parts.append((f"outputs ({len(outputs)})", outputs))
    return "\n".join(
        line for title, inside in parts for line in (title, *(_INDENT + text for text in inside))
    )


def describe_operation(graph: Graph, name: str) -> str:
    """All about one operation, nothing shortened but the values of large arrays.

    Raises InputError, with near names, if the graph has no operation of this name.
    """
    operation = graph.operation(name)
    takers = [o.name for o in graph if operation in {t.operation for t in o.inputs}]
    places = [str(i) for i, t in enumerate(graph.outputs) if t.operation is operation]
    facts = [
        ("kind", [operation.kind]),
        ("scope", [operation.scope]),
        ("source", [str(operation.source) if operation.source else ""]),
        ("inputs", [f"{t.name}: {t.type}" for t in operation.inputs]),
        ("runs after", [before.name for before in operation.control_inputs]),
        ("outputs", [f"{t.name}: {t.type}" for t in operation.outputs]),
        ("attributes", [f"{k} = {attribute_text(v, _WHOLE)}" for k, v in _attributes(operation)]),
        ("value", [] if operation.value is None else [value_text(operation.value, 400)]),
        ("taken by", takers),
        ("output of the graph", [", ".join(places)]),
    ]
    lines = [plain(operation.name)]
    for title, texts in facts:
        filled = [plain(text) for text in texts if text]
        if len(filled) == 1:
            lines.append(f"{_INDENT}{title}: {filled[0]}")
        elif filled:
            lines += [f"{_INDENT}{title}:", *(2 * _INDENT + text for text in filled)]
    return "\n".join([*lines, *(_INDENT + line for line in _subgraphs(operation))])


def scopes(graph: Graph) -> tuple[str, ...]:
    """The scopes of a graph, the outer ones too, in order of their first operation."""
    found: dict[str, None] = {}
    for operation in graph:
        parts = scope_parts(operation.scope)
        found.update(dict.fromkeys("/".join(parts[: i + 1]) for i in range(len(parts))))
    return tuple(found)


def _in_scope(graph: Graph, scope: str) -> tuple[Operation, ...]:
    wanted = scope_parts(scope)
    found = tuple(o for o in graph if wanted and scope_parts(o.scope)[: len(wanted)] == wanted)
    if not found:
        raise unknown_name("scope", scope, scopes(graph))
    return found


def _variable(operation: Operation) -> str:
    given = operation.attributes
    sizes = ",".join(map(str, given["shape"]))
    trainable = "trainable" if given["trainable"] else "not trainable"
    return f"{plain(operation.name)}: {given['dtype']}[{sizes}] {trainable}{_origin(operation)}"


def _lines(operation: Operation) -> Iterator[str]:
    types = ", ".join(str(tensor.type) for tensor in operation.outputs)
    inside = [plain(tensor.name) for tensor in operation.inputs]
    inside += [f"^{plain(before.name)}" for before in operation.control_inputs]
    inside += [f"{plain(k)}={attribute_text(v, _ATTRIBUTE)}" for k, v in _attributes(operation)]
    if operation.value is not None:
        inside.append(value_text(operation.value, _VALUE))
    given = f": {types}" if types else ""
    call = f"{operation.kind}({', '.join(inside)})"
    yield f"{plain(operation.name)}{given} = {call}{_origin(operation)}"
    for line in _subgraphs(operation):
        yield _INDENT + line


def _subgraphs(operation: Operation) -> Iterator[str]:
    for name, graph in zip(subgraph_names(operation), operation.subgraphs, strict=True):
        yield f"{name}({_typed(graph.inputs)})"
        for inner in graph:
            if inner.kind != "placeholder":
                for line in _lines(inner):
                    yield _INDENT + line
        yield f"{_INDENT}-> {', '.join(plain(t.name) for t in graph.outputs)}"


def _attributes(operation: Operation) -> Sequence[tuple[str, object]]:
    return tuple(operation.attributes.items())


def _typed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{shorten(t.operation.name, _ATTRIBUTE)}: {t.type}" for t in tensors)


def _origin(operation: Operation) -> str:
    text = source_text(operation)
    return f"  # {text}" if text else ""
