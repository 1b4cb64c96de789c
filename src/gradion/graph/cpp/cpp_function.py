"""A function of JAX compiled through C++, callable from JAX with its derivatives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.extension import Operator
from gradion.graph.capture import capture, capture_flat
from gradion.graph.cpp.binding import build_library, make_operator
from gradion.graph.cpp.cpp_jacobian import CppJacobian
from gradion.graph.cpp.names import Names
from gradion.graph.cpp.source import CppOptions, CppSource, write_cpp
from gradion.graph.derivatives import pullback, pushforward, smooth
from gradion.graph.evaluate import evaluate
from gradion.graph.graph import Graph
from gradion.graph.prune import needed
from gradion.graph.signature import Signature
from gradion.graph.sparse import SparsePattern, argument_inputs, jacobian_graph
from gradion.graph.subgraph import subgraph

__all__ = ["CppFunction", "compile_cpp"]

# Operators by name and text: what has the same text is the same program to XLA too.
_operators: dict[tuple[str, str], dict[str, Operator]] = {}
_MOST_OPERATORS = 512


@final
class CppFunction:
    """A compiled function; call it as the function itself, under any transformation of JAX.

    `graphs` are those of the value and, under `<name>_jvp` and `<name>_vjp`, of the first
    derivatives. Their inputs are the arrays that the function uses, in the order of the arguments.
    Under `<name>_jacobian` is the graph of the sparse Jacobian's values, if there is one.
    """

    def __init__(
        self,
        name: str,
        signature: Signature,
        used: Sequence[int],
        graphs: dict[str, Graph],
        reference: Callable[..., Any],
        pattern: SparsePattern | None = None,
    ) -> None:
        self.name = name
        self.graphs = dict(graphs)
        self._signature = signature
        self._used = tuple(used)
        self._patterns = {} if pattern is None else {f"{name}_jacobian": pattern}
        self._operators = _operators_of(name, self.graphs, self._patterns, reference)

    def __call__(self, *arguments: Any) -> Any:
        """The result; TypeError for arguments of another structure than the examples'."""
        leaves = self._signature.flatten(arguments)
        out = self.operator(*[jnp.asarray(leaves[i]) for i in self._used])
        flat = [out] if len(self.graphs[self.name].outputs) == 1 else list(out)
        return jax.tree.unflatten(self._signature.result, flat)

    def source(self, options: CppOptions | None = None) -> CppSource:
        """The C++ of value and derivatives, without anything of JAX."""
        return write_cpp(self.graphs, patterns=self._patterns, options=options)

    def arrays(self, *arguments: Any) -> list[np.ndarray]:
        """The arrays of a call as the C function of the value takes them, in order."""
        leaves = self._signature.flatten(arguments)
        return [np.asarray(jnp.asarray(leaves[i])) for i in self._used]

    @property
    def operator(self) -> Operator:
        """The operator of the flat arrays that are used."""
        return self._operators[self.name]

    @property
    def jacobian(self) -> CppJacobian:
        """The sparse Jacobian; ValueError if the function was compiled without."""
        key = f"{self.name}_jacobian"
        if key not in self._operators:
            raise ValueError(
                f"{self.name}: no Jacobian was compiled; say of which argument, jacobian_of="
            )
        return CppJacobian(self._patterns[key], self._operators[key], self._signature, self._used)


def compile_cpp(
    function: Callable[..., Any],
    *examples: Any,
    name: str = "",
    names: Sequence[str] | None = None,
    jacobian_of: int | None = None,
) -> CppFunction:
    """Compile a pure function through C++, with both first derivatives.

    Shapes and dtypes of the examples are those of every call. What the arrays hold, those of
    Parameters too, is given at each call: changing it compiles nothing. Arrays that the function
    closes over are part of the program. Higher derivatives are JAX's, of the function itself.
    With `jacobian_of`, the place of an argument, the sparse Jacobian by this argument is compiled
    too, see `gradion.graph.sparse`.

    Raises what `gradion.graph.capture` and, for a Jacobian, `gradion.graph.sparse.sparse_jacobian`
    raise, UnsupportedOperationError for an operation without C++, and what
    `gradion.extension.load` raises.
    """
    title = name or getattr(function, "__name__", "")
    if not name:
        title = Names().unique(title)  # a lambda, or a function called exp
    whole = capture(function, *examples, names=names)
    if whole.signature is None:
        raise ValueError("the captured graph has no signature")
    signature = whole.signature
    leaves = [jnp.asarray(x) for x in jax.tree.leaves(examples)]
    reads = {tensor for operation in needed(whole) for tensor in operation.inputs}
    used = [i for i, t in enumerate(whole.inputs) if t in reads or t in whole.outputs]
    if not used:
        raise ValueError(f"{title}: the result depends on no argument; expected one that it uses")
    zeros = [jnp.zeros(x.shape, x.dtype) for x in leaves]

    def flat(*arrays: Any) -> list[Any]:
        given: list[Any] = list(zeros)
        for place, x in zip(used, arrays, strict=True):
            given[place] = x
        result = function(*jax.tree.unflatten(signature.arguments, given))
        return [jnp.asarray(y) for y in jax.tree.leaves(result)]

    def reference(*arrays: Any) -> Any:
        out = flat(*arrays)
        return out[0] if len(out) == 1 else tuple(out)

    kept = [leaves[i] for i in used]
    given_names = [whole.inputs[i].operation.name for i in used]
    graphs = _graphs(title, flat, kept, given_names)
    pattern = None
    if jacobian_of is not None:
        jacobian = jacobian_graph(whole, argument_inputs(whole, examples, jacobian_of))
        inputs = [jacobian.graph.inputs[i] for i in used]
        graphs[f"{title}_jacobian"] = subgraph(jacobian.graph, jacobian.graph.outputs, inputs)
        pattern = jacobian.pattern
    return CppFunction(title, signature, used, graphs, reference, pattern)


def _graphs(
    title: str, flat: Callable[..., list[Any]], kept: Sequence[Any], names: Sequence[str]
) -> dict[str, Graph]:
    """The graphs of a function of flat arrays and of its first derivatives."""
    value = capture_flat(flat, kept, names)
    graphs = {title: value}
    if smooth(kept) and smooth([np.empty(0, t.dtype) for t in value.outputs]):
        results = [f"out_{i}" for i in range(len(value.outputs))]
        graphs[f"{title}_jvp"] = pushforward(flat, kept, names)
        graphs[f"{title}_vjp"] = pullback(flat, kept, names, results)
    return graphs


def _operators_of(
    name: str,
    graphs: dict[str, Graph],
    patterns: dict[str, SparsePattern],
    reference: Callable[..., Any],
) -> dict[str, Operator]:
    """The operators of the value and of the Jacobian, under the names of their graphs."""
    source = write_cpp(graphs, patterns=patterns, options=CppOptions(comments=False))
    key = (name, hashlib.sha256(source.text.encode()).hexdigest())
    if key not in _operators:
        library = build_library(name, source)
        made = {
            name: make_operator(
                name, library, graphs[name], reference, differentiable=f"{name}_jvp" in graphs
            )
        }
        for jacobian in patterns:
            graph = graphs[jacobian]
            made[jacobian] = make_operator(
                jacobian,
                library,
                graph,
                lambda *arrays, graph=graph: evaluate(graph, arrays)[0],
                differentiable=False,
            )
        while len(_operators) >= _MOST_OPERATORS:
            del _operators[next(iter(_operators))]
        _operators[key] = made
    return _operators[key]
