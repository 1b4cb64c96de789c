"""Functions of JAX and Python's operators as operations of a graph."""

from __future__ import annotations

import operator
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import Graph, UnsupportedOperationError, evaluate
from gradion.graph.build import (
    apply,
    cond,
    constant,
    control_dependencies,
    current_graph,
    group,
    identity,
    name_scope,
    placeholder,
    variable,
    while_loop,
)

A, B = np.array([2.5, -3.0, 0.5]), np.array([2.0, 2.0, -1.5])
BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge"]


def _run(graph, tensors, *arrays):
    part = graph.subgraph(tensors, graph.inputs)
    return [np.asarray(y) for y in evaluate(part, arrays)]


@pytest.fixture(scope="module")
def pair():
    with Graph() as graph:
        a, b = (placeholder("float64", (3,), name=name) for name in "ab")
    return graph, a, b


@pytest.mark.parametrize("name", BINARY)
def test_an_operator_of_two(pair, name):
    graph, a, b = pair
    function = getattr(operator, name)
    tensors = [function(a, b), function(a, 2.0), function(2.0, b), function(B, a)]
    x, y = jnp.asarray(A), jnp.asarray(B)
    want = [function(x, y), function(x, 2.0), function(2.0, y), function(jnp.asarray(B), x)]
    for got, expected in zip(_run(graph, tensors, A, B), want, strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


def test_operators_of_one_of_bits_and_of_matrices():
    with Graph() as graph:
        a = placeholder("float64", (3,), name="a")
        p = placeholder("bool", (3,), name="p")
        i = placeholder("int64", (3,), name="i")
        m = placeholder("float64", (3, 3), name="m")
        tensors = [-a, abs(a), ~p, p & (a > 0), p | (a > 0), p ^ (a > 0), True & p, False | p,
                   True ^ p, m @ a, A @ m, a[1], a[::2], m[1:, 0], m[i], a[i]]  # fmt: skip
    P, J, M = np.array([True, False, True]), np.array([2, 0, -1]), np.arange(9.0).reshape(3, 3)
    want = [-A, abs(A), ~P, P & (A > 0), P | (A > 0), P ^ (A > 0), P, P, ~P, M @ A, A @ M, A[1],
            A[::2], M[1:, 0], M[J], A[J]]  # fmt: skip
    for got, expected in zip(_run(graph, tensors, A, P, J, M), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_numbers_take_the_dtype_of_the_tensor():
    with Graph():
        x = placeholder("float32", (2,), name="x")
        n = placeholder("int32", (), name="n")
        assert (2.0 * x + 1).dtype == "float32"
        assert (n + 1).dtype == "int32"
        assert (n / 2).dtype == "float32"  # as JAX has it
        assert (x * np.float64(2.0)).dtype == "float64"


def test_the_first_axis_can_be_unpacked():
    with Graph() as graph:
        a = placeholder("float64", (3,), name="a")
        first, _, last = a
        n = placeholder("float64", (None,), name="n")
        with pytest.raises(TypeError, match="its first size is not a number"):
            list(n)
    part = graph.subgraph([first, last], [a])
    np.testing.assert_array_equal(evaluate(part, [A]), A[[0, 2]])


def test_an_index_that_is_not_there_is_refused():
    with Graph():
        m = placeholder("float64", (2, None), name="m")
        for index in (2, -3, (0, 1), (slice(None), 5)):
            if index in (2, -3):
                with pytest.raises(IndexError, match="axis 0 has 2"):
                    m[index]
            else:
                m[index]


def test_names_have_no_colon_and_no_caret():
    with Graph() as graph:
        for name in ("a:0", "^a"):
            for make in (
                lambda name: constant(1.0, name=name),
                lambda name: placeholder("float64", name=name),
                lambda name: variable(1.0, name=name),
                lambda name: group(name=name),
            ):
                with pytest.raises(ValueError, match="expected one without"):
                    make(name)
        x = constant(1.0)
        with pytest.raises(ValueError, match="expected one without"):
            graph.rename(x.operation, "x:0")


def test_a_tensor_has_no_value(pair):
    _, a, _ = pair
    with pytest.raises(TypeError, match="no value while the graph is written; use"):
        bool(a)
    with pytest.raises(TypeError, match="a Session runs it"):
        np.asarray(a)
    with pytest.raises(TypeError, match="Tensor"):
        jnp.sin(a)
    assert (a == a) is True


def test_names_and_scopes():
    def softened(x):
        return jnp.log(jnp.exp(x) + 1.0)

    with Graph() as graph:
        x = placeholder("float64", (), name="x")
        with name_scope("layer") as path, name_scope("inner"):
            y = apply(softened, x, name="soft")
            z = x * 2.0
            again = placeholder("float64", (), name="x")
        twice = apply(softened, x, name="layer/inner/soft")
    assert path == "layer"
    assert y.name == "layer/inner/soft:0"
    assert [o.scope for o in graph if o.kind == "exp"] == ["layer/inner/soft", "layer/inner/soft"]
    assert z.operation.name == "layer/inner/mul_1"
    assert again.name == "layer/inner/x:0"
    assert twice.operation.name == "layer/inner/soft_1"
    assert graph.operation("layer/inner/soft").source.file == __file__
    with graph, pytest.raises(ValueError, match="expected a name without"), name_scope("a:b"):
        pass


def test_a_graph_that_is_entered_again_goes_on():
    with Graph() as graph, name_scope("a"):
        v = variable(0.0, name="v")
        with control_dependencies([v.assign_add(1.0)]), Graph(), graph:
            c = constant(1.0, name="c")
    assert c.name == "a/c:0"
    assert len(c.operation.control_inputs) == 1


def test_a_tree_goes_in_and_comes_out():
    with Graph() as graph:
        x = placeholder("float64", (2,), name="x")
        v = variable(3.0, name="v")
        out = apply(lambda d, k: {"sum": d["a"] + d["b"], "n": (k, d["a"])}, {"a": x, "b": v}, 2)
    assert sorted(out) == ["n", "sum"]
    # Handed through, it is an operation of its own, which can be named and waited for.
    assert out["n"][1].operation.kind == "identity"
    assert out["n"][0].dtype == "int64"
    assert current_graph_is_none()
    assert len({id(t.graph) for t in (x, out["sum"])} | {id(graph)}) == 1


def current_graph_is_none():
    with pytest.raises(RuntimeError, match="no graph is being written"):
        current_graph()
    return True


def test_outside_of_a_graph_operators_still_know_theirs(pair):
    graph, a, _ = pair
    assert (a + 1.0).graph is graph
    with pytest.raises(RuntimeError, match="no graph is being written"):
        constant(1.0)


def test_tensors_of_two_graphs_do_not_meet(pair):
    _, a, _ = pair
    with Graph(), pytest.raises(ValueError, match="another graph"):
        constant(1.0) + a


def test_control_inputs_are_those_of_the_place(pair):
    with Graph() as graph:
        v = variable(0.0, name="v")
        w = variable(0.0, name="w")
        one, two = v.assign_add(1.0), w.assign_add(1.0)
        with control_dependencies([one]):
            waiting = constant(1.0)
            a = waiting * 2.0
            with control_dependencies([two.operation]):
                b = identity(a)
                done = group(name="done")
        c = a * 3.0
    assert [o.name for o in waiting.operation.control_inputs] == [one.operation.name]
    names = [[o.name for o in t.operation.control_inputs] for t in (a, b, c)]
    assert names == [[one.operation.name], [one.operation.name, two.operation.name], []]
    assert [o.name for o in done.control_inputs] == names[1]
    assert graph.operation("done") is done


def test_branches_and_loops():
    with Graph() as graph:
        x = placeholder("float64", (2,), name="x")
        y = cond(x[0] > 0, jnp.sin, lambda x: x * 2.0, x)
        z = while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x_of(c)), (0, x))[1]
    assert {"cond", "while"} <= {o.kind for o in graph}
    for start in ([1.0, 2.0], [-1.0, 2.0]):
        got = _run(graph, [y, z], np.array(start))
        want = np.sin(start) if start[0] > 0 else np.array(start) * 2.0
        np.testing.assert_allclose(got[0], want, rtol=1e-15)
        np.testing.assert_array_equal(got[1], np.array(start) * 8.0)


def x_of(carry):
    return jnp.asarray(2.0)


def test_what_a_graph_cannot_hold_is_named_with_its_line(pair):
    _, a, _ = pair
    with pytest.raises(UnsupportedOperationError, match="'sort'") as error:
        apply(jnp.sort, a)
    assert error.value.source.file == __file__


def test_sizes_are_numbers_names_or_none():
    with Graph():
        x = placeholder("float64", (None, "n", 3), name="x")
        y = placeholder("float64", (None, None), name="y")
        assert [str(s) for s in x.shape] == ["n_0", "n", "3"]
        assert [str(s) for s in y.shape] == ["n_0", "n_1"]
        for size in (-1, 1.5, "2*n", True):
            with pytest.raises(ValueError, match="a size is a number, a name or None"):
                placeholder("float64", (size,))


def test_threads_write_graphs_of_their_own():
    made = {}

    def write(key):
        with Graph() as graph:
            for _ in range(5):
                constant(float(key)) + 1.0
            made[key] = (graph, current_graph())

    threads = [threading.Thread(target=write, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(graph is current and len(graph) == 15 for graph, current in made.values())


def test_jitted_and_custom_functions_are_taken_too():
    with Graph() as graph:
        x = placeholder("float64", (3,), name="x")
        y = apply(jax.jit(jax.nn.gelu), x)
    np.testing.assert_allclose(_run(graph, [y], A)[0], jax.nn.gelu(A), rtol=1e-14)
