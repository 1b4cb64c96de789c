"""Whether two graphs are the same, operation by operation."""

from __future__ import annotations

from gradion.graph.operation_table import frozen


def require_same(first, second):
    """Names, kinds, inputs, types, attributes, constants to the last bit, subgraphs, scopes."""
    assert [_described(o) for o in first] == [_described(o) for o in second]
    assert [t.name for t in first.inputs] == [t.name for t in second.inputs]
    assert [t.name for t in first.outputs] == [t.name for t in second.outputs]
    for before, after in zip(first, second, strict=True):
        for one, other in zip(before.subgraphs, after.subgraphs, strict=True):
            require_same(one, other)


def _described(operation):
    value, source = operation.value, operation.source
    return (
        operation.name,
        operation.kind,
        [t.name for t in operation.inputs],
        [t.type for t in operation.outputs],
        frozen(operation.attributes),
        None if value is None else (value.dtype.name, value.shape, value.tobytes()),
        len(operation.subgraphs),
        operation.scope,
        None if source is None else (source.file.rpartition("/")[2], source.line),
        [before.name for before in operation.control_inputs],
    )
