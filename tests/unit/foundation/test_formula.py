"""Formulas: what the grammar takes, what it refuses and how it says so."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradion.foundation.errors import InputError
from gradion.foundation.formula import FORMULA_FUNCTIONS, Formula

X = 0.7
NUMPY_NAMES = {"asinh": "arcsinh"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", 1.5),
        ("x", X),
        ("-x + +2", 2 - X),
        ("x**2**3", X**8),
        ("-x**2", -(X**2)),
        ("(x + 1) * (x - 3) / 2e-1", (X + 1) * (X - 3) / 0.2),
        ("1.9793 * exp(-39.3631 * x) + 0.2482", 1.9793 * math.exp(-39.3631 * X) + 0.2482),
        ("cosh((x - 0.286) / 0.083)**(-2)", math.cosh((X - 0.286) / 0.083) ** -2),
        ("10**(-4.43 - 54/(298.15 - 229 - 5e-3*x))", 10 ** (-4.43 - 54 / (69.15 - 5e-3 * X))),
        ("  x*\t2 ".replace("\t", " "), 2 * X),
    ],
)
def test_value(text: str, expected: float) -> None:
    value = Formula(text)(X)
    assert value.dtype == jnp.float64
    assert value.shape == ()
    np.testing.assert_allclose(value, expected, rtol=1e-15)


@pytest.mark.parametrize("name", FORMULA_FUNCTIONS)
def test_functions(name: str) -> None:
    x = np.array([0.3, 0.9])
    expected = getattr(np, NUMPY_NAMES.get(name, name))(x)
    np.testing.assert_allclose(Formula(f"{name}(x)")(x), expected, rtol=1e-14)
    np.testing.assert_allclose(Formula(f"{name}(0.3) + 0*x")(x)[0], expected[0], rtol=1e-14)


def test_several_variables_broadcast() -> None:
    formula = Formula("c_e * T", ("c_e", "T"))
    assert formula(np.ones(3), 300.0).shape == (3,)
    assert Formula("2.0", ("c_e", "T"))(np.ones((2, 1)), np.ones(3)).shape == (2, 3)
    with pytest.raises(TypeError, match=r"got 1 arguments, expected 2"):
        formula(1.0)


def test_dtype_follows_the_argument() -> None:
    assert Formula("1.5*x")(jnp.float32(1.0)).dtype == jnp.float32
    assert Formula("x")(3).dtype == jnp.float64


def test_derivative_of_whole_powers_holds_at_zero_and_below() -> None:
    formula = Formula("x**2 + x**(-2.0) * 0 + 3*x**3")
    assert float(jax.grad(Formula("x**2"))(0.0)) == 0.0
    np.testing.assert_allclose(jax.grad(formula)(-0.5), -1.0 + 9 * 0.25, rtol=1e-14)


def test_transformations() -> None:
    formula = Formula("tanh(x) * exp(-x)")
    x = jnp.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(jax.jit(formula)(x), formula(x), rtol=1e-15)
    np.testing.assert_allclose(jax.vmap(formula)(x), formula(x), rtol=1e-15)
    slope = (1 - jnp.tanh(x) ** 2 - jnp.tanh(x)) * jnp.exp(-x)
    np.testing.assert_allclose(jax.vmap(jax.grad(formula))(x), slope, rtol=1e-13)


def test_value_object() -> None:
    formula = Formula(" 2*x ")
    assert str(formula) == "2*x"
    assert Formula(str(formula)) == formula
    assert hash(Formula("2*x")) == hash(formula)
    assert Formula("2*x", ("x", "y")) != formula
    with pytest.raises(AttributeError):
        formula.text = "3"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("x +", r"position 3: nothing follows '\+'"),
        ("(x", r"position 1: cannot be read at '\(x'"),
        ("2x", "position 1: cannot be read at '2x'"),
        ("exq(x)", "position 1: unknown function 'exq'; did you mean 'exp'"),
        ("1 + y", "position 5: unknown name 'y'"),
        ("exp", r"position 1: unknown name 'exp'; write exp\(...\)"),
        ("exp(x, x)", "expected one argument"),
        ("exp(x=1)", "expected one argument"),
        ("exp(*x)", "expected one argument"),
        ("x.real", "'x.real' is not allowed"),
        ("x[0]", r"'x\[0\]' is not allowed"),
        ("[1]", "is not allowed"),
        ("x if x else 1", "is not allowed"),
        ("x < 1", "is not allowed"),
        ("x // 2", "is not allowed"),
        ("x % 2", "is not allowed"),
        ("x @ x", "is not allowed"),
        ("~x", "is not allowed"),
        ("lambda: 1", "is not allowed"),
        ("(x := 1)", "is not allowed"),
        ("__import__('os')", "unknown function '__import__'"),
        ("exp.__class__(x)", "unknown function 'exp.__class__'"),
        ("'a' * 3", "is no number"),
        ("True + x", "is no number"),
        ("2j * x", "is no number"),
        ("1e999", "number out of range"),
        ("9**9**9", "no finite value"),
        ("x + 1/0", "position 5: '1/0' has no finite value"),
        ("log(0) + x", "no finite value"),
        ("(-8)**0.5 + x", "no finite value"),
        ("x # note", "character '#'"),
        ("x\n+ 1", "character"),
        ("\uff58 + 1", "character"),
        ("x; x", "cannot be read"),
        ("x = 1", "cannot be read"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Formula(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "x" + " + x" * 5000,
        "(" * 180 + "x" + ")" * 180 + "+" + "-" * 400 + "x",
        "-" * 3000 + "x",
        "(" * 1500 + "x" + ")" * 1500,
        "exp(" * 300 + "x" + ")" * 300,
        "x" + "+x" * 1500,
        "9" * 3999,
    ],
)
def test_bombs_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Formula(text)
    assert len(str(caught.value)) < 200


def test_bad_variables() -> None:
    for variables in ((), ("x", "x"), ("1x",), ("exp",), ("lambda",), ("a b",)):
        with pytest.raises(ValueError, match="variables"):
            Formula("1", variables)
    with pytest.raises(TypeError, match="variables"):
        Formula("x", "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="text"):
        Formula(1.0)  # type: ignore[arg-type]


def test_substitute_and_scaled() -> None:
    formula = Formula("c_e**2 * exp(-10/T) - log(T)", ("c_e", "T"))
    fixed = formula.substitute({"T": 300.0, "c_e": "x"})
    assert fixed.variables == ("x",)
    np.testing.assert_allclose(fixed(2.0), formula(2.0, 300.0), rtol=1e-15)
    np.testing.assert_allclose(Formula("x**2").substitute({"x": "y"})(-3.0), 9.0)
    two = Formula("2*x**y", ("x", "y")).substitute({"x": -3.0, "y": "x"})
    np.testing.assert_allclose(two(2), 18.0)
    np.testing.assert_allclose(Formula("x + 1").scaled(1e-4)(1.0), 2e-4, rtol=1e-15)
    assert formula.scaled(1.0) is formula
    assert formula.used_variables() == ("c_e", "T")
    assert formula.used_functions() == ("exp", "log")
    with pytest.raises(ValueError, match="replacements"):
        formula.substitute({"z": 1.0})
    with pytest.raises(ValueError, match="finite"):
        formula.substitute({"T": math.nan})
    with pytest.raises(ValueError, match="variables"):
        Formula("x").substitute({"x": 1.0})


_leaves = st.sampled_from(["x", "y", "1.5", "2", "3e-2"])
_texts = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"tanh({t})"),
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(_texts)
def test_agrees_with_python(text: str) -> None:
    expected = eval(text, {"__builtins__": {}, "tanh": math.tanh}, {"x": 0.3, "y": -1.2})
    np.testing.assert_allclose(
        Formula(text, ("x", "y"))(0.3, -1.2), expected, rtol=1e-12, atol=1e-13
    )


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="x0123456789.+-*/()expe, ajy_", max_size=30))
def test_any_text_gives_a_formula_or_an_input_error(text: str) -> None:
    try:
        formula = Formula(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert Formula(str(formula)) == formula
