"""A traced function as a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.compat.jaxpr import (
    Atom,
    Equation,
    Literal,
    Program,
    SourceLine,
    Variable,
    trace,
)
from gradion.graph.graph import Graph, Tensor, TensorType
from gradion.graph.lookup import search_side
from gradion.graph.operators import BY_PRIMITIVE
from gradion.graph.prune import prune
from gradion.graph.signature import Signature, leaf_names
from gradion.graph.unsupported import UnsupportedOperationError

__all__ = ["capture", "capture_flat"]

# Calls that are written out in place: their bodies say all that the values need.
_CALLS: Final = frozenset(
    {"closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit", "remat"}
    | {"checkpoint", "custom_vjp_call_jaxpr", "remat2"}
)
# They return their argument.
_IDENTITIES: Final = frozenset({"copy", "copy_p", "optimization_barrier", "stop_gradient"})


def capture(
    function: Callable[..., Any], *examples: Any, names: Sequence[str] | None = None
) -> Graph:
    """The graph of a pure function of trees of arrays and of Modules.

    Only shapes and dtypes of the examples count. Every array in them is an input of the graph, a
    Parameter of a Module too, under its dotted name: `negative.D_s.value`; `names` are names for
    the arguments. An array that the function closes over is a constant of the graph. Calls of
    jitted functions are written out in place, with their names in the scope of the operations, and
    so are functions with a derivative rule of their own: take derivatives of the function, not of
    its graph, where such a rule matters.

    Raises UnsupportedOperationError for an operation outside of the documented set, naming it and
    the line of code, and ValueError for a size that is not a number.
    """
    leaves, tree = jax.tree.flatten(examples)
    result_tree: list[Any] = []

    def flat(*arrays: Any) -> list[Any]:
        out, structure = jax.tree.flatten(function(*jax.tree.unflatten(tree, arrays)))
        result_tree.append(structure)
        return list(map(jnp.asarray, out))

    graph = capture_flat(flat, leaves, leaf_names(function, examples, names))
    graph.signature = Signature(tree, result_tree[-1], tuple(map(jnp.shape, leaves)))
    return graph


def capture_flat(
    function: Callable[..., Sequence[Any]], examples: Sequence[Any], names: Sequence[str]
) -> Graph:
    """The graph of a function of flat arrays that returns flat arrays; see `capture`."""
    shapes = [jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in examples]
    program = trace(function, shapes)
    return _graph_of(program, names)


def _graph_of(program: Program, names: Sequence[str]) -> Graph:
    graph = Graph()
    inputs = [
        graph.placeholder(TensorType(v.dtype, v.shape), name=name)
        for v, name in zip(program.inputs, names, strict=True)
    ]
    writer = _Writer(graph)
    graph.outputs = writer.write(program, inputs, "")
    return prune(graph)


@final
class _Writer:
    """Writes programs into one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._literals: dict[Literal, Tensor] = {}
        # With the array, so that its id stays its own.
        self._arrays: dict[int, tuple[Any, Tensor]] = {}

    def write(
        self,
        program: Program,
        inputs: Sequence[Tensor],
        scope: str,
        source: SourceLine | None = None,
    ) -> list[Tensor]:
        """Add the program's operations for these inputs; its outputs.

        `source` is the line of the call, for operations that have none of their own.
        """
        known = dict(zip(program.inputs, inputs, strict=True))
        for variable, value in program.constants:
            known[variable] = self._array(value)
        for equation in program.equations:
            arguments = [self._tensor(atom, known) for atom in equation.inputs]
            line = equation.source or source
            results = self._equation(equation, arguments, _join(scope, equation.scope), line)
            known.update(zip(equation.outputs, results, strict=True))
        return [self._tensor(atom, known) for atom in program.outputs]

    def _tensor(self, atom: Atom, known: dict[Variable, Tensor]) -> Tensor:
        if isinstance(atom, Variable):
            return known[atom]
        if atom not in self._literals:
            self._literals[atom] = self._graph.constant(atom.value)
        return self._literals[atom]

    def _array(self, value: Any) -> Tensor:
        if id(value) not in self._arrays:
            self._arrays[id(value)] = (value, self._graph.constant(np.asarray(value)))
        return self._arrays[id(value)][1]

    def _equation(
        self, equation: Equation, arguments: list[Tensor], scope: str, source: SourceLine | None
    ) -> Sequence[Tensor]:
        name = equation.primitive
        types = [TensorType(v.dtype, v.shape) for v in equation.outputs]
        if name in _IDENTITIES:
            return arguments
        body = _programs(equation.params.values())[:1] if name in _CALLS else ()
        if body:
            right = search_side(equation, body[0])
            if right is None:
                inside = str(equation.params.get("name", ""))
                return self.write(body[0], arguments, _join(scope, inside), source)
            return self._graph.add(
                "searchsorted",
                arguments[:2],  # behind them there may be tangents, which it does not use
                types,
                attributes={"right": right},
                scope=scope,
                source=source,
            ).outputs
        kind = BY_PRIMITIVE.get(name)
        if kind is None or equation.has_effects:
            raise UnsupportedOperationError.of(name, source)
        try:
            attributes = kind.attributes(equation.params)
        except ValueError as error:
            raise UnsupportedOperationError.of(name, source, what=str(error)) from error
        bodies = _programs(equation.params[name] for name in kind.subgraphs)
        return self._graph.add(
            kind.name,
            arguments,
            types,
            attributes=attributes,
            subgraphs=list(map(_subgraph, bodies)),
            scope=scope,
            source=source,
        ).outputs


def _subgraph(program: Program) -> Graph:
    return _graph_of(program, [f"input_{i}" for i in range(len(program.inputs))])


def _programs(params: Iterable[Any]) -> list[Program]:
    """The programs among parameters; branches are a tuple of them."""
    found: list[Program] = []
    for value in params:
        items = value if isinstance(value, tuple) else (value,)
        found += [item for item in items if isinstance(item, Program)]
    return found


def _join(scope: str, inside: str) -> str:
    return "/".join(part for part in (scope, inside) if part)
