"""Graphs to look at."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.compat.jaxpr import SourceLine
from gradion.graph import Graph, TensorType, capture
from gradion.graph.state import add_assignment, add_read, add_variable

HOSTILE = "</script><script>alert(1)</script>\"'&<b>\\ \u202e\u4e2d\u6587\x00\n\ud800]]>"


def loops() -> Graph:
    """A loop with a conditional in it, in a scope, and a product."""

    def body(carry, t):
        carry = jnp.sin(carry) * t
        carry = jax.lax.cond(carry.sum() > 0, lambda z: z * 2, lambda z: jnp.exp(z), carry)
        return carry, carry.sum()

    def function(x, w):
        with jax.named_scope("head"):
            x = jnp.tanh(w @ x)
        return jax.lax.scan(body, x, jnp.arange(5.0))

    return capture(function, np.ones(3), np.ones((3, 3)))


def chain(length: int, *, scope: str = "") -> Graph:
    """Each operation takes the one before, at its own line of code."""
    graph = Graph()
    kind = TensorType("float64", (2,))
    tensor = graph.placeholder(kind, name="x")
    for i in range(length):
        line = SourceLine("/somewhere/model.py", 1 + i // 4)
        tensor = graph.add("sin", [tensor], [kind], scope=scope, source=line).outputs[0]
    graph.outputs = [tensor]
    return graph


def random_graph(seed: int, size: int) -> Graph:
    """Operations of nested scopes that are left and entered again, some with two results."""
    random = np.random.default_rng(seed)
    graph = Graph()
    kind = TensorType("float64", (2, 3))
    tensors = [graph.placeholder(kind, name=f"p{i}") for i in range(3)]
    tensors.append(graph.constant(2.0))
    scopes = ["", "a", "a/b", "a/b/c", "a/d", "e", "e/b"]
    for _ in range(size):
        count = int(random.integers(1, 3))
        inputs = [tensors[i] for i in random.integers(max(len(tensors) - 9, 0), len(tensors), 2)]
        before = [tensors[-1].operation] if random.random() < 0.1 else []
        operation = graph.add(
            "unstack" if count == 2 else "mul",
            inputs,
            [kind] * count,
            scope=scopes[random.integers(len(scopes))],
            control_inputs=before,
        )
        tensors += operation.outputs
    graph.outputs = [tensors[i] for i in random.integers(0, len(tensors), 3)]
    return graph


def hostile() -> Graph:
    """Names, scopes, lines and attributes that are markup, controls and other alphabets."""
    graph = Graph()
    kind = TensorType("float64", (2,))
    x = graph.placeholder(kind, name=HOSTILE)
    line = SourceLine(f"/folder/{HOSTILE.replace('/', '')}.py", 3)
    given = {"text": HOSTILE, HOSTILE: 1}
    y = graph.add("sin", [x], [kind], scope=f"s{HOSTILE}", source=line, attributes=given)
    z = graph.add("sin", [y.outputs[0]], [kind], scope=f"s{HOSTILE}", name=f"z{HOSTILE}")
    graph.outputs = z.outputs
    return graph


def stateful() -> Graph:
    """A counter: a variable that is read, and one more is assigned."""
    graph = Graph()
    kind = TensorType("float64", (2,))
    variable = add_variable(graph, kind, name="w")
    add_assignment(graph, variable, graph.constant(np.ones(2), name="first"), initial=True)
    value = add_read(graph, variable)
    more = graph.add("add", [value, graph.constant(np.ones(2))], [kind], name="more")
    graph.outputs = [add_assignment(graph, variable, more.outputs[0])]
    return graph
