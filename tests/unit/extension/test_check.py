"""The check of operators: it passes what is right, and fails what is wrong by 0.1 %."""

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension.array import Array
from gradion.extension.batching import LeadingAxis
from gradion.extension.check import check_operator
from gradion.extension.check_program import same_bits, worst_error
from gradion.extension.library import load
from gradion.extension.operator import Operator

SOURCES = Path(__file__).resolve().parents[2] / "native" / "sources"
X = jnp.linspace(0.5, 2.0, 4)


@pytest.fixture(scope="module")
def small(shared_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADION_CACHE", str(shared_cache))
        return load("op_small", SOURCES / "op_small.cc", flags=["-O1"])


@pytest.fixture(scope="module")
def gates(shared_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADION_CACHE", str(shared_cache))
        return load("op_gate", SOURCES / "op_gate.cc", flags=["-O1"])


def square(small, **changes):
    given = {
        "inputs": (Array("x", jnp.float64, ("n",)),),
        "outputs": (Array("y", jnp.float64, ("n",)), Array("s", jnp.float64)),
        "attributes": {"a": float},
        "forward": small.target("Square64"),
        "jvp": small.target("SquareJvp64"),
        "vjp": small.target("SquareVjp64"),
        "reference": lambda x, *, a: (a * x * x, a * (x**3).sum()),
    }
    return Operator("square", **{**given, **changes})


def scatter(small, **changes):
    given = {
        "inputs": (
            Array("values", jnp.float64, ("n", 3)),
            Array("index", jnp.int32, ("n",)),
            Array("into", jnp.float64, ("m", 3)),
        ),
        "outputs": (Array("out", jnp.float64, ("m", 3)),),
        "forward": small.target("ScatterAddHandler"),
        "jvp": small.target("ScatterAddJvpHandler"),
        "vjp": small.target("ScatterAddVjpHandler"),
        "reference": lambda values, index, into: into.at[index].add(values),
    }
    return Operator("scatter_add", **{**given, **changes})


def make_scatter(sizes):
    n, m = sizes["n"], sizes["m"]
    if m == 0 and n > 0:
        raise ValueError("there is no row to add to")
    generator = np.random.default_rng(0)
    index = generator.integers(0, max(m, 1), n).astype(np.int32)
    return generator.normal(size=(n, 3)), index, generator.normal(size=(m, 3))


def rows(report, check):
    return [row for row in report.rows if row.check == check]


def check(operator, *examples, **options):
    return check_operator(operator, *examples, verbose=False, **options)


def test_a_right_operator_passes_every_row(small):
    report = check(square(small), (X,), attributes={"a": 2.0})
    assert report.passed
    assert all(row.passed for row in report.rows)
    report.raise_failures()
    assert {row.check for row in report.rows} >= {
        "value",
        "jvp",
        "vjp",
        "adjoint",
        "vmap of value",
        "vmap of vjp",
        "vjp twice",
        "vjp, threads",
        "layout",
    }
    assert {row.case for row in rows(report, "value")} >= {"n = 0", "n = 1", "n = 3"}


def test_a_value_wrong_by_a_thousandth_fails(small):
    operator = square(small, forward=small.target("SquareWrong64"))
    report = check(operator, (X,), attributes={"a": 2.0})
    assert not report.passed
    assert not rows(report, "value")[0].passed
    assert rows(report, "vjp")[0].passed
    with pytest.raises(AssertionError, match="'square' failed its check\n  value, example 1"):
        report.raise_failures()


def test_a_vjp_wrong_by_a_thousandth_fails_with_and_without_a_reference(small):
    wrong = small.target("SquareVjpWrong64")
    report = check(square(small, vjp=wrong), (X,), attributes={"a": 2.0})
    assert not rows(report, "vjp")[0].passed
    report = check(square(small, vjp=wrong, reference=None), (X,), attributes={"a": 2.0})
    assert rows(report, "value")[0].passed is None
    assert not rows(report, "adjoint")[0].passed


def test_a_value_that_depends_on_the_number_of_threads_fails(gates, monkeypatch):
    operator = Operator(
        "power",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)),),
        forward=gates.target("PowerHandler"),
        reference=lambda x: x * x,
    )
    before = os.environ.get("GRADION_NUM_THREADS")
    assert rows(check(operator, (X,)), "value, threads")[0].passed
    monkeypatch.setenv("GRADION_TEST_WRONG_THREADS", "1")
    report = check(operator, (X,))
    assert [row.check for row in report.failures] == ["value, threads"]
    assert os.environ.get("GRADION_NUM_THREADS") == before


def test_a_target_without_the_axis_that_is_declared_fails(gates):
    operator = Operator(
        "power",
        inputs=(Array("x", jnp.float64),),
        outputs=(Array("y", jnp.float64),),
        forward=gates.target("PowerHandler"),
        jvp=gates.target("PowerLinearHandler"),
        reference=lambda x: x * x,
        batching=LeadingAxis(),
    )
    report = check(operator, (jnp.float64(3.0),))
    assert rows(report, "value")[0].passed
    # The jvp has no axis of examples where the operator says that it has one.
    assert not rows(report, "jvp")[0].passed


def test_sizes_of_integer_inputs_need_inputs_to_be_made(small):
    example = make_scatter({"n": 6, "m": 4})
    row = rows(check(scatter(small), example), "sizes")[0]
    assert row.passed is None
    assert "give make=" in row.note
    report = check(scatter(small), example, make=make_scatter)
    cases = {row.case: row.passed for row in rows(report, "value")}
    assert cases["n = 0, m = 4"]
    assert cases["n = 5, m = 4"]
    unmade = next(row for row in report.rows if row.case == "n = 6, m = 0")
    assert unmade.passed is None
    assert "no row to add to" in unmade.note
    assert report.passed


def test_missing_rules_are_rows_that_say_so(small):
    operator = square(small, jvp=None, reference=None)
    report = check(operator, (X,), attributes={"a": 2.0})
    assert "neither jvp= nor a reference" in rows(report, "adjoint")[0].note
    assert report.passed


def test_the_table_is_printed(small, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    check_operator(square(small), (X[:1],), attributes={"a": 2.0}, threads=())
    printed = capsys.readouterr().out
    assert "vmap of value" in printed
    assert "not checked" not in printed


def test_an_example_is_needed(small):
    with pytest.raises(ValueError, match="at least one example"):
        check_operator(square(small))


@pytest.mark.parametrize(
    ("found", "expected", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, jnp.nan], [1.0, jnp.nan], 0.0),
        ([1.0, 2.0], [1.0, jnp.nan], np.inf),
        ([1.0, jnp.inf], [1.0, -jnp.inf], np.inf),
        ([], [], 0.0),
        # 0.1 % of a number as large as its array's mean is half of that.
        ([1.001, 1.0], [1.0, 1.0], 0.0005),
    ],
)
def test_the_error_is_relative_and_sees_what_is_not_finite(found, expected, error):
    got = worst_error([jnp.array(found)], [jnp.array(expected)])
    assert got == pytest.approx(error)


def test_bits_tell_the_sign_of_zero():
    assert same_bits([jnp.array(0.0)], [jnp.array(0.0)])
    assert not same_bits([jnp.array(0.0)], [jnp.array(-0.0)])
