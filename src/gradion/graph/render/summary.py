"""What a graph is made of, in numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, final

from gradion.graph.graph import Graph, Operation, TensorType
from gradion.graph.memory_plan import plan_memory
from gradion.graph.render.text import byte_text, plain, scope_parts, size_in_bytes
from gradion.graph.state import purify, variable_type, variables

__all__ = ["GraphSummary", "VariableSize", "all_operations", "summarise"]

_TOP: Final = "(none)"


@final
@dataclass(frozen=True)
class VariableSize:
    """A variable: its type as text, its elements and bytes, and whether it is trained."""

    name: str
    type: str
    elements: int
    bytes: int | None
    trainable: bool


@final
@dataclass(frozen=True)
class GraphSummary:
    """Counts and sizes of a graph.

    `operations` counts all, in subgraphs too, and `kinds` parts them; `scopes` counts by the
    outermost scope. `inputs` and `outputs` are types by name. `parameters` is the number of
    elements of trainable variables. `product_flops` are two for each multiplication of a dense
    product in one run, None where a size is not known: a loop of known length counts so often, any
    other once, and of branches the most. `memory` has the bytes of the memory plan, None where
    sizes are not known. `operators` are those of `gradion.extension` that must be installed.
    """

    operations: int
    kinds: dict[str, int]
    scopes: dict[str, int]
    inputs: dict[str, str]
    outputs: list[str]
    variables: list[VariableSize]
    variable_bytes: int
    parameters: int
    constant_bytes: int
    product_flops: int | None
    memory: dict[str, int] | None
    operators: list[str]

    def as_json(self) -> dict[str, Any]:
        """All of it as values of JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Return a text for people."""
        lines = [f"operations  {self.operations}", *_columns(self.kinds)]
        lines += ["scopes", *_columns(self.scopes)]
        lines += [f"inputs      {len(self.inputs)}"]
        lines += [f"  {name}: {kind}" for name, kind in self.inputs.items()]
        lines += [f"outputs     {len(self.outputs)}", *(f"  {text}" for text in self.outputs)]
        held = f"{len(self.variables)}, {byte_text(self.variable_bytes)}, "
        lines += [f"variables   {held}{self.parameters} trainable parameters"]
        for variable in self.variables:
            trained = "" if variable.trainable else ", not trainable"
            n_bytes = "size unknown" if variable.bytes is None else byte_text(variable.bytes)
            lines.append(f"  {variable.name}: {variable.type}, {n_bytes}{trained}")
        lines.append(f"constants   {byte_text(self.constant_bytes)}")
        flops = "unknown" if self.product_flops is None else f"{self.product_flops} flops"
        lines.append(f"products    {flops}")
        if self.memory is None:
            lines.append("memory      unknown: sizes are not numbers")
        else:
            lines.append("memory")
            lines += [f"  {what:<15}{byte_text(n):>12}" for what, n in self.memory.items()]
        lines.append(f"operators   {', '.join(self.operators) or 'none'}")
        return "\n".join(lines)


def summarise(graph: Graph) -> GraphSummary:
    """Count and measure a graph."""
    operations = list(all_operations(graph))
    kinds = Counter(operation.kind for operation in operations)
    outer = Counter(plain((*scope_parts(o.scope), _TOP)[0]) for o in graph)
    held = [_size(operation) for operation in variables(graph)]
    constants = [o.value.nbytes for o in operations if o.value is not None]
    operators = {str(o.attributes["operator"]) for o in operations if o.kind == "native_call"}
    return GraphSummary(
        operations=len(operations),
        kinds=dict(kinds.most_common()),
        scopes=dict(outer.most_common()),
        inputs={plain(t.operation.name): str(t.type) for t in graph.inputs},
        outputs=[f"{plain(t.name)}: {t.type}" for t in graph.outputs],
        variables=held,
        variable_bytes=sum(v.bytes or 0 for v in held),
        parameters=sum(v.elements for v in held if v.trainable),
        constant_bytes=sum(constants),
        product_flops=_product_flops(graph),
        memory=_memory(graph),
        operators=sorted(operators),
    )


def all_operations(graph: Graph) -> Iterator[Operation]:
    """The operations of a graph and of its subgraphs."""
    for operation in graph:
        yield operation
        for subgraph in operation.subgraphs:
            yield from all_operations(subgraph)


def _size(operation: Operation) -> VariableSize:
    held: TensorType = variable_type(operation)
    trainable = bool(operation.attributes["trainable"])
    n_bytes = size_in_bytes(held)
    return VariableSize(plain(operation.name), str(held), held.size, n_bytes, trainable)


def _product_flops(graph: Graph) -> int | None:
    """Flops of the dense products of one run."""
    total = 0
    for operation in graph:
        inside = [_product_flops(subgraph) for subgraph in operation.subgraphs]
        known = [flops for flops in inside if flops is not None]
        if len(known) < len(inside):
            return None
        match operation.kind:
            case "dot_general":
                flops = _dot_flops(operation)
                if flops is None:
                    return None
                total += flops
            case "scan":
                length = operation.attributes["length"]
                if not isinstance(length, int):
                    return None
                total += length * sum(known)
            case "cond":
                total += max(known, default=0)
            case "custom_jvp" | "custom_vjp":
                total += known[0]  # a run takes the value alone
            case _:
                total += sum(known)
    return total


def _dot_flops(operation: Operation) -> int | None:
    (contracted, _), _ = operation.attributes["dimension_numbers"]
    left = operation.inputs[0].type.shape
    sizes = [*(left[axis] for axis in contracted), *operation.outputs[0].type.shape]
    numbers = [size for size in sizes if isinstance(size, int)]
    return 2 * math.prod(numbers) if len(numbers) == len(sizes) else None


def _memory(graph: Graph) -> dict[str, int] | None:
    try:
        plan = plan_memory(purify(graph).graph)
    except ValueError:
        return None  # sizes that are not numbers
    return {
        "arguments": plan.argument_bytes,
        "outputs": plan.output_bytes,
        "constants": plan.constant_bytes,
        "workspace": plan.workspace_bytes,
        "in use at once": plan.live_bytes,
        "without reuse": plan.unshared_bytes,
    }


def _columns(counts: dict[str, int]) -> list[str]:
    width = max(map(len, counts), default=0)
    return [f"  {name:<{width}}  {count}" for name, count in counts.items()]
