"""Sparse Jacobians beside dense ones of JAX, as graphs evaluated in JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradion.graph import UnsupportedOperationError, capture, evaluate
from gradion.graph.sparse import jacobian_graph, sparse_jacobian
from gradion.module import Module, Parameter

from ..operation_cases import CASES
from .dense_jacobian import assert_same, dense, sparse

# One case for each kind that has a rule of its own or none, and the odd ones of others.
_NAMES = (
    *("mul", "pow_integer", "select_n", "select_n_three", "clamp_arrays", "max"),
    *(
        "broadcast_in_dim",
        "reshape_transposed",
        "slice",
        "transpose",
    ),
    *("rev", "concatenate_twice", "stack", "unstack", "tile", "pad_cut", "split", "squeeze"),
    *(
        "reduce_sum_over_0",
        "reduce_sum_over_None",
        "reduce_prod",
        "reduce_max",
        "cumsum",
        "cumprod",
    ),
    *("cummax", "dot_general_matrices", "dot_general_vector", "dot_general_batched"),
    *("gather_rows", "gather_fill", "gather_batched", "scatter", "scatter_add", "dynamic_slice"),
    *("scatter_add_column", "cond", "cond_of_2", "while", "scan", "scan_reverse"),
    *("custom_jvp", "custom_vjp"),
)
_CASES = {case.name: case for case in CASES if case.name in _NAMES}


@pytest.fixture(scope="module")
def found():
    """Graphs and Jacobians of all cases; the numbers of one program, which is compiled once."""
    graphs = {name: case.graph() for name, case in _CASES.items()}
    made = {name: sparse(graph) for name, graph in graphs.items()}

    def numbers(arrays):
        return {
            name: (evaluate(made[name].graph, a)[0], dense(graphs[name], a))
            for name, a in arrays.items()
        }

    arrays = {
        name: [
            np.asarray(x, dtype=t.dtype)
            for x, t in zip(case.arrays, graphs[name].inputs, strict=True)
        ]
        for name, case in _CASES.items()
    }
    return made, jax.jit(numbers)(arrays)


@pytest.mark.parametrize("name", _NAMES)
def test_an_operation_has_the_entries_that_jax_finds(found, name):
    made, numbers = found
    values, want = numbers[name]
    # Products of the same factors in another order; a float32 has 2^29 times the rounding.
    single = values.dtype == np.float32
    assert_same(values, made[name], want, 1e-12 * (2**29 if single else 1))


def _diffusion(k, c, ends):
    """Finite volumes: three entries a row, two at the ends, and one of each end's flux."""
    flux = jnp.concatenate([ends[:1], -k.scale * jnp.exp(c[1:] + c[:-1]) * jnp.diff(c), ends[1:]])
    return -jnp.diff(flux)


class _Scale(Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = Parameter(2.0, unit="1")


def test_no_entry_is_there_that_the_structure_excludes():
    k, c, ends = _Scale(), jnp.linspace(0.0, 1.0, 50), jnp.array([0.1, 0.2])
    made = sparse_jacobian(_diffusion, k, c, ends, of=1)
    near = np.abs(np.subtract.outer(np.arange(50), np.arange(50))) <= 1
    rows, columns = np.nonzero(near)
    np.testing.assert_array_equal(made.pattern.rows, rows)
    np.testing.assert_array_equal(made.pattern.indices, columns)
    # Whole diagonals: the number of operations does not grow with that of the points.
    small = sparse_jacobian(_diffusion, k, c[:10], ends, of=1)
    assert len(made.graph) == len(small.graph)
    by_ends = sparse_jacobian(_diffusion, k, c, ends, of=2)
    np.testing.assert_array_equal(by_ends.pattern.rows, [0, 49])
    # The fluxes at the ends come in and go out, whatever c is.
    np.testing.assert_array_equal(by_ends(k, c, ends), [1.0, -1.0])


def test_a_new_parameter_is_an_argument_like_any_other():
    k, c, ends = _Scale(), jnp.linspace(0.0, 1.0, 9), jnp.zeros(2)
    made = sparse_jacobian(_diffusion, k, c, ends, of=1)
    doubled = k.with_parameters({"scale": jnp.asarray(4.0)})
    # Twice is exact.
    np.testing.assert_array_equal(made(doubled, c, ends), 2.0 * made(k, c, ends))


def test_rows_and_columns_count_over_all_arrays():
    def function(state):
        return {"sum": state["a"].sum(), "cubes": state["b"] ** 3, "count": jnp.arange(3)}

    state = {"a": jnp.ones(2), "b": jnp.array([2.0, 3.0]), "n": jnp.arange(4)}
    made = sparse_jacobian(function, state)
    # Rows: cubes, then sum; columns: a, then b.
    want = [[0.0, 0.0, 12.0, 0.0], [0.0, 0.0, 0.0, 27.0], [1.0, 1.0, 0.0, 0.0]]
    assert made.pattern.size == 4
    np.testing.assert_allclose(made.dense(state), want, rtol=1e-15)


def test_entries_that_meet_are_added():
    made = sparse_jacobian(lambda x: x[:3] * 2.0 + x[1:] + x[::-1][:3].sum(), jnp.ones(4))
    want = np.array([[2.0, 2.0, 1.0, 1.0], [0.0, 3.0, 2.0, 1.0], [0.0, 1.0, 3.0, 2.0]])
    np.testing.assert_array_equal(made.dense(jnp.ones(4)), want)
    assert made.pattern.size == np.count_nonzero(want)


def test_zeros_of_a_known_matrix_make_no_entries():
    matrix = np.diag(np.arange(1.0, 7.0)) + np.diag(np.ones(4), 2)
    made = sparse_jacobian(lambda x: matrix @ jnp.sin(x), jnp.zeros(6))
    assert made.pattern.size == np.count_nonzero(matrix)
    np.testing.assert_array_equal(made.dense(jnp.zeros(6)), matrix)


def test_branches_share_a_pattern():
    def function(x):
        return jax.lax.cond(x[0] > 0, lambda y: y * y, lambda y: y[::-1], x)

    made = sparse_jacobian(function, jnp.ones(4))
    assert made.pattern.size == 8
    for x in (jnp.arange(1.0, 5.0), -jnp.arange(1.0, 5.0)):
        np.testing.assert_array_equal(made.dense(x), jax.jacfwd(function)(x))


def test_a_case_that_is_not_chosen_leaves_no_nan():
    made = sparse_jacobian(lambda x: jnp.where(x > 0, jnp.sqrt(x), 2.0 * x), jnp.ones(3))
    # The root's derivative at 0 is infinite, and not asked for.
    x = jnp.array([-1.0, 0.0, 4.0])
    np.testing.assert_array_equal(made(x), [2.0, 2.0, 0.25])


def test_a_rule_of_the_users_own_counts():
    @jax.custom_jvp
    def law(x, y):
        return x * y

    @law.defjvp
    def _rule(primals, tangents):
        return law(*primals), 3.0 * tangents[0] * primals[1] + 5.0 * tangents[1]

    made = sparse_jacobian(lambda x: law(x, x[::-1]), jnp.ones(4))
    x = jnp.arange(1.0, 5.0)
    np.testing.assert_array_equal(made.dense(x), 3 * np.diag(x[::-1]) + 5 * np.eye(4)[::-1])
    assert made.pattern.size == 8


def test_it_is_differentiated_and_mapped_like_any_function():
    made = sparse_jacobian(lambda x: jnp.sin(x)[1:] * x[:-1], jnp.ones(3))
    points = jnp.array([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]])
    assert jax.vmap(made)(points).shape == (2, 4)
    x = points[0]
    # The entries of the first row are sin(x1) and x0 cos(x1).
    want = [[0.0, jnp.cos(x[1]), 0.0], [jnp.cos(x[1]), -x[0] * jnp.sin(x[1]), 0.0]]
    np.testing.assert_allclose(jax.jacfwd(made)(x)[:2], want, rtol=1e-15)


def test_a_function_without_derivatives_has_no_entries():
    made = sparse_jacobian(lambda x: jnp.floor(x), jnp.ones(3))
    assert made.pattern.size == 0
    assert made(jnp.ones(3)).shape == (0,)
    np.testing.assert_array_equal(made.dense(jnp.ones(3)), np.zeros((3, 3)))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="of: got 1, expected the place of one of 1 arguments"):
        sparse_jacobian(jnp.sin, jnp.ones(3), of=1)
    with pytest.raises(ValueError, match="floating dtype; got none"):
        sparse_jacobian(lambda i: i * 1.0, jnp.arange(3))
    graph = capture(lambda i: i * 1.0, jnp.arange(3))
    with pytest.raises(ValueError, match="floating dtype; got i:0"):
        jacobian_graph(graph, graph.inputs)
    with pytest.raises(ValueError, match="is no input of the graph"):
        jacobian_graph(graph, capture(jnp.sin, jnp.ones(3)).inputs)


def test_an_operation_of_too_many_entries_is_named_with_its_line():
    def function(x):
        return jax.lax.while_loop(lambda c: c[0] < 1.0, lambda c: 2.0 * c + 1.0, x)

    with pytest.raises(UnsupportedOperationError, match=r"test_jacobian\.py:\d+: .*'while'"):
        sparse_jacobian(function, jnp.ones(2000))


_STEPS = {
    "differences": lambda x: jnp.concatenate([x[:1], x[1:] * x[:-1]]),
    "mean": lambda x: x - 0.3 * x.sum(),
    "product": lambda x: x * jnp.flip(x),
    "curve": jnp.tanh,
    "choice": lambda x: jnp.where(jnp.arange(6) % 2 == 0, x, jnp.cos(x)),
    "columns": lambda x: (x.reshape(2, 3) + x.reshape(2, 3).sum(0)).reshape(6),
    "turned": lambda x: x.reshape(2, 3).T.reshape(6),
    "matrix": lambda x: jnp.asarray(np.eye(6, k=1) + 0.5 * np.eye(6)) @ x,
    "padded": lambda x: jnp.pad(x[::2], (1, 2)) + x,
    "running": jnp.cumsum,
    "picked": lambda x: x[np.array([0, 0, 3, 5, 1, 3])],
    "added": lambda x: x.at[np.array([1, 1, 4])].add(x[:3] ** 2),
}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(sorted(_STEPS)), min_size=1, max_size=4))
def test_programs_of_small_steps_agree_with_jax(names):
    def function(x):
        for name in names:
            x = _STEPS[name](x)
        return x

    x = np.linspace(0.2, 0.9, 6)
    graph = capture(function, x)
    made = sparse(graph)
    values, want = jax.jit(lambda a: (evaluate(made.graph, [a])[0], dense(graph, [a])))(x)
    assert_same(values, made, want, 1e-12)
    # An entry that is 0 at this point is 0 by chance; there are next to none.
    assert made.pattern.size - np.count_nonzero(want) <= 2
