"""The neutral record of a traced function, the same on every version of JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.foundation.compat.jaxpr import Literal, Program, Variable, trace
from gradion.foundation.dimension import Dimension

_VECTOR = jax.ShapeDtypeStruct((3,), jnp.float64)


def test_inputs_equations_and_outputs():
    program = trace(lambda x: [2.0 * jnp.sin(x)], [_VECTOR])
    (x,) = program.inputs
    assert x == Variable(0, "float64", (3,))
    sine, product = program.equations
    assert (sine.primitive, product.primitive) == ("sin", "mul")
    assert sine.inputs == (x,)
    assert product.inputs == (Literal(np.float64(2.0)), *sine.outputs)
    assert program.outputs == product.outputs


def test_equal_functions_give_equal_programs():
    first, second = (trace(lambda x: [jnp.exp(x) * np.nan], [_VECTOR]) for _ in range(2))
    assert first == second
    assert first != trace(lambda x: [jnp.exp(x) * 2.0], [_VECTOR])
    assert first != trace(lambda x: [jnp.log(x) * np.nan], [_VECTOR])


def test_parameters_count_in_comparisons():
    def search(side):
        return trace(lambda x: [jnp.searchsorted(x, x, side=side)], [_VECTOR])

    assert search("left") == search("left")
    assert search("left") != search("right")


def test_literals_are_equal_by_their_bits():
    assert Literal(np.float64(np.nan)) == Literal(np.float64(np.nan))
    assert Literal(np.float64(0.0)) != Literal(np.float64(-0.0))
    assert Literal(np.float64(1.0)) != Literal(np.float32(1.0))
    assert len({Literal(np.float64(1.0)), Literal(np.float64(1.0))}) == 1


def test_an_array_that_is_closed_over_is_a_constant_once():
    table = jnp.arange(3.0)
    program = trace(lambda x: [x * table + table], [_VECTOR])
    ((variable, value),) = program.constants
    np.testing.assert_array_equal(value, table)
    assert sum(variable in e.inputs for e in program.equations) == 2


def test_what_no_output_needs_is_dropped_and_effects_are_not():
    def function(x):
        jnp.cos(x)
        jax.debug.print("{}", x)
        return [x + 1.0]

    program = trace(function, [_VECTOR])
    assert "cos" not in {e.primitive for e in program.equations}
    assert [e.has_effects for e in program.equations if "debug" in e.primitive] == [True]


def test_a_scan_says_how_many_constants_and_carries_it_has():
    def function(x):
        def step(carry, row):
            return {"a": carry["a"] + row * x[0], "b": carry["b"]}, row

        return jax.tree.leaves(lax.scan(step, {"a": 0.0, "b": x * 2.0}, x))

    (scan,) = [e for e in trace(function, [_VECTOR]).equations if e.primitive == "scan"]
    inner = scan.params["jaxpr"]
    assert isinstance(inner, Program)
    consts, carries = scan.params["num_consts"], scan.params["num_carry"]
    assert consts >= 1
    assert carries >= 1
    # Constants, carries, and one row of what is scanned.
    assert consts + carries + 1 == len(inner.inputs) == len(scan.inputs)
    assert scan.params["length"] == 3
    assert not any(key.startswith("ft_") for key in scan.params)


def test_parameters_are_neutral():
    def function(x):
        return [x.at[jnp.array([0])].get(mode="clip"), lax.round(x), x.astype(jnp.int32)]

    equations = {e.primitive: e.params for e in trace(function, [_VECTOR]).equations}
    assert equations["gather"]["mode"] == "CLIP"
    assert equations["gather"]["dimension_numbers"]["collapsed_slice_dims"] == (0,)
    assert equations["round"]["rounding_method"] == "AWAY_FROM_ZERO"
    assert equations["convert_element_type"]["new_dtype"] == "int32"


def test_scope_and_line_of_an_equation():
    def function(x):
        with jax.named_scope("law"):
            return [jnp.tanh(x)]

    (equation,) = trace(function, [_VECTOR]).equations
    assert equation.scope == "law"
    assert equation.source.file == __file__
    assert equation.source.line == function.__code__.co_firstlineno + 2
    assert str(equation.source).endswith(f"test_jaxpr.py:{equation.source.line}")


def test_branches_are_programs():
    program = trace(lambda x: [lax.cond(x[0] > 0, lambda y: y * 2.0, lambda y: y, x)], [_VECTOR])
    (cond,) = [e for e in program.equations if e.primitive == "cond"]
    assert [len(b.equations) for b in cond.params["branches"]] == [0, 1]


def test_a_size_that_is_no_number_is_text():
    (n,) = jax.export.symbolic_shape("n")
    program = trace(
        lambda x: [jnp.concatenate([x, x]).reshape(2, -1)],
        [jax.ShapeDtypeStruct((n, 3), jnp.float64)],
    )
    assert program.inputs[0].shape == (Dimension("n"), 3)
    (reshape,) = [e for e in program.equations if e.primitive == "reshape"]
    assert reshape.params["new_sizes"] == (2, Dimension("3*n"))
