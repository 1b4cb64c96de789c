"""A traced function as a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.compat.dimension import neutral_shape, symbolic_shape
from gradion.foundation.compat.jaxpr import (
    Atom,
    Equation,
    Literal,
    Program,
    SourceLine,
    Variable,
    trace,
)
from gradion.graph.context import joined
from gradion.graph.graph import Graph, Operation, Tensor, TensorType
from gradion.graph.lookup import search_side
from gradion.graph.operation_table import OperationTable
from gradion.graph.operators import BY_PRIMITIVE
from gradion.graph.prune import prune
from gradion.graph.signature import Signature, leaf_names
from gradion.graph.unsupported import UnsupportedOperationError

__all__ = ["ProgramWriter", "capture", "capture_flat", "traced"]

# Calls that are written out in place: their bodies say all that the values need.
_CALLS: Final = frozenset(
    {"closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit", "remat"}
    | {"checkpoint", "custom_vjp_call_jaxpr", "remat2"}
)
# Calls that are kept where they have derivative rules of their own.
_CUSTOM: Final = frozenset({"custom_jvp_call", "custom_vjp_call"})
# They return their argument; the last one matters to derivatives.
_IDENTITIES: Final = frozenset({"copy", "copy_p", "optimization_barrier"})
_STOP: Final = "stop_gradient"
# Derivatives up to this order keep to the rules of custom functions.
_RULE_ORDER: Final = 3


def capture(
    function: Callable[..., Any], *examples: Any, names: Sequence[str] | None = None
) -> Graph:
    """The graph of a pure function of trees of arrays and of Modules.

    Only shapes and dtypes of the examples count. Every array in them is an input of the graph, a
    Parameter of a Module too, under its dotted name: `negative.D_s.value`; `names` are names for
    the arguments. An array that the function closes over is a constant of the graph. Calls of
    jitted functions are written out in place, with their names in the scope of the operations.
    A function with a derivative rule of its own is one operation that has both, so that
    derivatives of the graph, up to the third order, are those of the function.

    An example may be a `jax.ShapeDtypeStruct` with symbolic sizes (`jax.export.symbolic_shape`):
    the graph then serves all sizes.

    Raises UnsupportedOperationError for an operation outside of the documented set, naming it and
    the line of code.
    """
    leaves, tree = jax.tree.flatten(examples)
    result_tree: list[Any] = []

    def flat(*arrays: Any) -> list[Any]:
        out, structure = jax.tree.flatten(function(*jax.tree.unflatten(tree, arrays)))
        result_tree.append(structure)
        return list(map(jnp.asarray, out))

    graph = capture_flat(flat, leaves, leaf_names(function, examples, names), keep_rules=True)
    shapes = tuple(neutral_shape(jnp.shape(leaf)) for leaf in leaves)
    graph.signature = Signature(tree, result_tree[-1], shapes)
    return graph


def capture_flat(
    function: Callable[..., Sequence[Any]],
    examples: Sequence[Any],
    names: Sequence[str],
    *,
    keep_rules: bool = False,
) -> Graph:
    """The graph of a function of flat arrays that returns flat arrays; see `capture`.

    Without `keep_rules`, functions with derivative rules of their own are written out in place.
    """
    return _graph_of(traced(function, examples, keep_rules=keep_rules), names, keep_rules)


def traced(
    function: Callable[..., Sequence[Any]], examples: Sequence[Any], *, keep_rules: bool
) -> Program:
    """The program of a function of flat arrays for the shapes and dtypes of the examples."""
    shapes = [
        jax.ShapeDtypeStruct(symbolic_shape(jnp.shape(x)), jnp.result_type(x)) for x in examples
    ]
    return trace(function, shapes, rule_order=_RULE_ORDER if keep_rules else 0)


def _graph_of(program: Program, names: Sequence[str], keep_rules: bool) -> Graph:
    graph = Graph()
    inputs = [
        graph.placeholder(TensorType(v.dtype, v.shape), name=name)
        for v, name in zip(program.inputs, names, strict=True)
    ]
    writer = ProgramWriter(graph, keep_rules=keep_rules)
    graph.outputs = writer.write(program, inputs, "")
    return prune(graph)


@final
class ProgramWriter:
    """Writes programs into one graph; `added` has the operations that it added.

    With `keep_rules`, functions with derivative rules of their own are operations. New operations
    run after `control_inputs`. With `reuse`, an operation that the graph has already is not
    added again.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        keep_rules: bool,
        control_inputs: Sequence[Operation] = (),
        reuse: OperationTable | None = None,
    ) -> None:
        self._graph = graph
        self._keep_rules = keep_rules
        self._control_inputs = tuple(control_inputs)
        self._reuse = reuse
        self.added: set[Operation] = set()
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
            results = self._equation(equation, arguments, joined(scope, equation.scope), line)
            known.update(zip(equation.outputs, results, strict=True))
        return [self._tensor(atom, known) for atom in program.outputs]

    def _tensor(self, atom: Atom, known: dict[Variable, Tensor]) -> Tensor:
        if isinstance(atom, Variable):
            return known[atom]
        if atom not in self._literals:
            self._literals[atom] = self._constant(atom.value)
        return self._literals[atom]

    def _array(self, value: Any) -> Tensor:
        if id(value) not in self._arrays:
            self._arrays[id(value)] = (value, self._constant(np.asarray(value)))
        return self._arrays[id(value)][1]

    def _constant(self, value: np.ndarray) -> Tensor:
        found = None if self._reuse is None else self._reuse.constant(value)
        if found is not None:
            return found.outputs[0]
        tensor = self._graph.constant(value)
        if self._reuse is not None:
            self._reuse.add(tensor.operation)
        return tensor

    def _equation(
        self, equation: Equation, arguments: list[Tensor], scope: str, source: SourceLine | None
    ) -> Sequence[Tensor]:
        name = equation.primitive
        types = [TensorType(v.dtype, v.shape) for v in equation.outputs]
        if name in _IDENTITIES or (name == _STOP and not self._keep_rules):
            return arguments
        written_out = name in _CALLS and not (name in _CUSTOM and self._keep_rules)
        body = _programs(equation.params.values())[:1] if written_out else ()
        if body:
            right = search_side(equation, body[0])
            if right is None:
                inside = str(equation.params.get("name", ""))
                return self.write(body[0], arguments, joined(scope, inside), source)
            # Behind the first two there may be tangents, which it does not use.
            return self._add(
                "searchsorted", arguments[:2], types, {"right": right}, (), scope, source
            )
        if name == "polynomial":
            return self._polynomial(arguments, types[0], scope, source)
        kind = BY_PRIMITIVE.get(name)
        if kind is None or equation.has_effects:
            raise UnsupportedOperationError.of(name, source)
        try:
            attributes = kind.attributes(equation.params)
            if kind.name == "bitcast_convert_type" and types[0].shape != arguments[0].shape:
                raise ValueError("to a dtype of another size")
        except ValueError as error:
            raise UnsupportedOperationError.of(name, source, what=str(error)) from error
        given = equation.params
        bodies = _programs(given[name] for name in kind.subgraphs if name in given)
        subgraphs = [self._subgraph(body) for body in bodies]
        return self._add(kind.name, arguments, types, attributes, subgraphs, scope, source)

    def _polynomial(
        self, arguments: list[Tensor], made: TensorType, scope: str, source: SourceLine | None
    ) -> Sequence[Tensor]:
        """Horner's rule, by which jax 0.12 evaluates what it keeps as one primitive."""
        x, *coefficients = arguments
        total = coefficients[-1]
        for coefficient in reversed(coefficients[:-1]):
            product = self._add("mul", (total, x), (made,), {}, (), scope, source)[0]
            total = self._add("add", (product, coefficient), (made,), {}, (), scope, source)[0]
        if len(coefficients) > 1:
            return (total,)
        given = {"shape": made.shape, "broadcast_dimensions": ()}
        return self._add("broadcast_in_dim", (total,), (made,), given, (), scope, source)

    def _add(
        self,
        kind: str,
        arguments: Sequence[Tensor],
        types: Sequence[TensorType],
        attributes: Mapping[str, Any],
        subgraphs: Sequence[Graph],
        scope: str,
        source: SourceLine | None,
    ) -> Sequence[Tensor]:
        if self._reuse is not None:
            found = self._reuse.find(kind, arguments, attributes, subgraphs)
            if found is not None:
                return found.outputs
        operation = self._graph.add(
            kind,
            arguments,
            types,
            attributes=attributes,
            subgraphs=subgraphs,
            scope=scope,
            source=source,
            control_inputs=self._control_inputs,
        )
        self.added.add(operation)
        if self._reuse is not None:
            self._reuse.add(operation)
        return operation.outputs

    def _subgraph(self, program: Program) -> Graph:
        names = [f"input_{i}" for i in range(len(program.inputs))]
        return _graph_of(program, names, self._keep_rules)


def _programs(params: Iterable[Any]) -> list[Program]:
    """The programs among parameters; branches are a tuple of them."""
    found: list[Program] = []
    for value in params:
        items = value if isinstance(value, tuple) else (value,)
        found += [item for item in items if isinstance(item, Program)]
    return found
