"""Each function of the documented set is JAX's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import Graph, array, evaluate
from gradion.graph.build import placeholder

A = np.random.default_rng(0).uniform(0.2, 0.9, size=(3, 3))
B, V = A[::-1].copy(), A[0].copy()
NODES = np.linspace(0.0, 1.0, 5)

# How a function is called where it takes more than one or two arrays.
CALLS = {
    "arange": lambda f, a, b, v: f(5) * a[0, 0],
    "arccosh": lambda f, a, b, v: f(a + 1),
    "argmax": lambda f, a, b, v: f(a, axis=0),
    "argmin": lambda f, a, b, v: f(a, axis=0),
    "astype": lambda f, a, b, v: f(a, np.float32),
    "broadcast_to": lambda f, a, b, v: f(v, (3, 3)),
    "clip": lambda f, a, b, v: f(a, 0.3, 0.5),
    "concatenate": lambda f, a, b, v: f([a, b], axis=0),
    "cross": lambda f, a, b, v: f(v, b[0]),
    "diag": lambda f, a, b, v: f(v),
    "einsum": lambda f, a, b, v: f("ij,jk->ki", a, b),
    "expand_dims": lambda f, a, b, v: f(a, 1),
    "full_like": lambda f, a, b, v: f(a, 2.0),
    "hstack": lambda f, a, b, v: f([a, b]),
    "inner": lambda f, a, b, v: f(a, b),
    "interp": lambda f, a, b, v: f(v, NODES, NODES**2),
    "linspace": lambda f, a, b, v: f(a[0, 0], 1.0, 5),
    "meshgrid": lambda f, a, b, v: f(v, v),
    "moveaxis": lambda f, a, b, v: f(a, 0, 1),
    "one_hot": lambda f, a, b, v: f(np.array([0, 2]), 3) + v,
    "outer": lambda f, a, b, v: f(v, v),
    "pad": lambda f, a, b, v: f(a, 1),
    "repeat": lambda f, a, b, v: f(v, 2),
    "reshape": lambda f, a, b, v: f(a, (9,)),
    "roll": lambda f, a, b, v: f(v, 1),
    "round": lambda f, a, b, v: f(a, 1),
    "searchsorted": lambda f, a, b, v: f(NODES, v),
    "split": lambda f, a, b, v: f(a, 3),
    "squeeze": lambda f, a, b, v: f(a[None]),
    "stack": lambda f, a, b, v: f([a, b]),
    "swapaxes": lambda f, a, b, v: f(a, 0, 1),
    "take": lambda f, a, b, v: f(v, np.array([0, 2])),
    "take_along_axis": lambda f, a, b, v: f(a, np.array([[0], [1], [2]]), 1),
    "tensordot": lambda f, a, b, v: f(a, b, 1),
    "tile": lambda f, a, b, v: f(v, 2),
    "trapezoid": lambda f, a, b, v: f(v),
    "vdot": lambda f, a, b, v: f(v, v),
    "vstack": lambda f, a, b, v: f([a, b]),
    "where": lambda f, a, b, v: f(a > b, a, b),
}
TWO = frozenset(
    """add arctan2 array_equal divide divmod dot equal float_power floor_divide fmax fmin greater
    greater_equal heaviside hypot kron less less_equal logaddexp logical_and logical_or logical_xor
    matmul maximum minimum mod multiply not_equal power remainder subtract true_divide bitwise_and
    bitwise_or bitwise_xor""".split()  # noqa: SIM905
)


def _call(name, function, a, b, v):
    if name in CALLS:
        return CALLS[name](function, a, b, v)
    if name.startswith(("logical", "bitwise")):
        a, b = a > 0.5, b > 0.5
    return function(a, b) if name in TWO else function(a)


@pytest.mark.parametrize("name", array.FUNCTIONS)
def test_it_gives_what_jax_gives(name):
    ours = getattr(array, name)
    theirs = getattr(jnp, name) if array.by_numpy_name(name) else getattr(jax.nn, name)
    with Graph() as graph:
        tensors = [
            placeholder("float64", shape, name=n)
            for n, shape in (("a", (3, 3)), ("b", (3, 3)), ("v", (3,)))
        ]
        result = _call(name, ours, *tensors)
    graph.outputs = list(result) if isinstance(result, tuple | list) else [result]
    want = jax.tree.leaves(_call(name, theirs, *map(jnp.asarray, (A, B, V))))
    for got, expected in zip(evaluate(graph, [A, B, V]), want, strict=True):
        # JAX runs some of them as one compiled program, in which XLA contracts products and sums.
        np.testing.assert_allclose(got, expected, rtol=1e-13)
        assert got.dtype == expected.dtype


def test_numpys_functions_work_on_tensors():
    with Graph() as graph:
        a = placeholder("float64", (3, 3), name="a")
        tensors = [np.sin(a), np.concatenate([a, a]), np.sum(a, axis=0), np.maximum(0.5, a)]
        tensors += [np.float64(2.0) * a, B @ a, np.einsum("ij->j", a)]
        with pytest.raises(TypeError):
            np.sort(a)
        with pytest.raises(TypeError):
            np.add.reduce(a)
    graph.outputs = tensors
    want = [
        np.sin(A),
        np.concatenate([A, A]),
        A.sum(0),
        np.maximum(0.5, A),
        2.0 * A,
        B @ A,
        A.sum(0),
    ]
    for got, expected in zip(evaluate(graph, [A]), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14)


@pytest.mark.parametrize("k", [-4, -2, -1, 0, 1, 2, 3])
def test_the_diagonal_of_a_matrix(k):
    with Graph() as graph:
        a = placeholder("float64", (3, 2), name="a")
        graph.outputs = [array.diag(a, k)]
    np.testing.assert_array_equal(evaluate(graph, [A[:, :2]])[0], np.diag(A[:, :2], k))


def test_an_unknown_name_has_near_ones():
    with pytest.raises(AttributeError, match="'sigmoid'"):
        _ = array.sigmod
    assert {"sin", "relu", "FUNCTIONS"} <= set(dir(array))
