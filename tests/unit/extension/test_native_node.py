"""Derivatives of operators, from targets and from the reference, against those of the reference."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension.array import Array, OneOf
from gradion.extension.batching import LeadingAxis
from gradion.extension.declaration import SecondDerivative
from gradion.extension.library import Target, load
from gradion.extension.native_node import MissingRuleError
from gradion.extension.operator import Operator
from gradion.testing import assert_adjoint, assert_gradient

SOURCES = Path(__file__).resolve().parents[2] / "native" / "sources"
X = jnp.linspace(0.5, 2.0, 4)
# A few operations in double precision on numbers of order one.
TOLERANCE = 1e-12


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


def reference(x, *, a):
    return a * x * x, a * (x**3).sum()


@pytest.fixture(scope="module")
def make(small):
    """An operator with the rules named, and others by name of the symbol or as objects."""

    def operator(*rules, **others):
        return Operator(
            "square",
            inputs=(Array("x", jnp.float64, ("n",)),),
            outputs=(Array("y", jnp.float64, ("n",)), Array("s", jnp.float64)),
            attributes={"a": float},
            forward=small.target("Square64"),
            **{rule: small.target(f"Square{rule.capitalize()}64") for rule in rules},
            **others,
        )

    return operator


@pytest.fixture(scope="module")
def second(small):
    return SecondDerivative(
        jvp=small.target("SquareSecondJvp64"), vjp=small.target("SquareSecondVjp64")
    )


def scalar(function):
    """A scalar that depends on both outputs, and not linearly."""

    def of(x):
        y, s = function(x, a=1.5)
        return jnp.sin(y).sum() * s

    return of


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


RULES = {
    "both targets": (("jvp", "vjp"), {}),
    "both targets, reference": (("jvp", "vjp"), {"reference": reference}),
    "jvp, reference": (("jvp",), {"reference": reference}),
    "vjp, reference": (("vjp",), {"reference": reference}),
    "reference": ((), {"reference": reference}),
}
FIRST_ORDER = {
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (jnp.cos(x),))[1],
    "grad": jax.grad,
    "jacfwd": jax.jacfwd,
    "jit of grad": lambda f: jax.jit(jax.grad(f)),
    "grad of jit": lambda f: jax.grad(jax.jit(f)),
    "jit of jvp": lambda f: jax.jit(lambda x: jax.jvp(f, (x,), (x,))[1]),
    "linearize": lambda f: lambda x: jax.linearize(f, x)[1](jnp.sin(x)),
    "checkpoint": lambda f: jax.grad(jax.checkpoint(f)),
    "in a scan": lambda f: jax.grad(
        lambda x: jax.lax.scan(lambda c, t: (c + f(t * x), None), 0.0, jnp.ones(3))[0]
    ),
}


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("transform", FIRST_ORDER)
def test_first_order(make, rules, transform):
    names, others = RULES[rules]
    found = FIRST_ORDER[transform](scalar(make(*names, **others)))(X)
    assert_same(found, FIRST_ORDER[transform](scalar(reference))(X))


SECOND_ORDER = {
    "forward over reverse": jax.hessian,
    "forward over forward": lambda f: jax.jacfwd(jax.jacfwd(f)),
    "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(f)),
    "reverse over reverse": lambda f: jax.jit(jax.jacrev(jax.jacrev(f))),
}


@pytest.mark.parametrize("transform", SECOND_ORDER)
def test_second_order_by_targets(make, second, transform):
    operator = make("jvp", "vjp", second=second)
    found = SECOND_ORDER[transform](scalar(operator))(X)
    assert_same(found, SECOND_ORDER[transform](scalar(reference))(X))


@pytest.mark.parametrize("rules", ["both targets, reference", "vjp, reference", "reference"])
@pytest.mark.parametrize("transform", SECOND_ORDER)
def test_second_order_by_the_reference(make, rules, transform):
    names, others = RULES[rules]
    found = SECOND_ORDER[transform](scalar(make(*names, **others)))(X)
    assert_same(found, SECOND_ORDER[transform](scalar(reference))(X))


@pytest.mark.parametrize("rules", ["both targets, reference", "reference"])
def test_third_order_by_the_reference(make, rules):
    names, others = RULES[rules]
    found = jax.jacfwd(jax.hessian(scalar(make(*names, **others))))(X)
    assert_same(found, jax.jacfwd(jax.hessian(scalar(reference)))(X))


def test_third_order_by_the_reference_above_second_targets(make, second):
    operator = make("jvp", "vjp", second=second, reference=reference)
    found = jax.jacrev(jax.hessian(scalar(operator)))(X)
    assert_same(found, jax.jacrev(jax.hessian(scalar(reference)))(X))


def test_the_gradient_leaves_a_remainder_of_second_order(make, second):
    gradient = jax.grad(scalar(make("jvp", "vjp", second=second)))
    assert_gradient(gradient, X, jnp.cos(3 * X))
    assert_gradient(scalar(make("jvp", "vjp")), X, jnp.cos(3 * X))


def test_forward_and_reverse_are_adjoint(make):
    operator = make("jvp", "vjp")
    assert_adjoint(lambda x: operator(x, a=2.0)[0], X, jax.random.key(0))


def test_targets_are_called_where_there_are_any(make):
    text = jax.jit(jax.grad(scalar(make("vjp", reference=reference)))).lower(X).as_text()
    assert text.count("custom_call") == 2


# Missing rules


def test_without_any_rule_differentiation_raises(make):
    with pytest.raises(MissingRuleError, match="no derivative: give jvp=.*vjp=.*reference="):
        jax.grad(scalar(make()))(X)


def test_with_a_vjp_alone_reverse_works_and_forward_raises(make):
    operator = make("vjp")
    assert_same(jax.grad(scalar(operator))(X), jax.grad(scalar(reference))(X))
    for transform in (lambda f: f, jax.jit):
        with pytest.raises(MissingRuleError, match="forward-mode derivative: give jvp= or"):
            transform(lambda x: jax.jvp(scalar(operator), (x,), (x,)))(X)


def test_with_a_jvp_alone_forward_works_and_reverse_raises(make):
    operator = make("jvp")
    assert_same(jax.jacfwd(scalar(operator))(X), jax.grad(scalar(reference))(X))
    with pytest.raises(MissingRuleError, match="reverse-mode derivative: give vjp= or"):
        jax.grad(scalar(operator))(X)


def test_without_second_rules_a_second_derivative_raises(make):
    with pytest.raises(MissingRuleError, match="no second derivative: give second= or reference="):
        jax.hessian(scalar(make("jvp", "vjp")))(X)


def test_a_second_vjp_alone_serves_a_hessian(make, small):
    operator = make("jvp", "vjp", second=SecondDerivative(vjp=small.target("SquareSecondVjp64")))
    assert_same(jax.hessian(scalar(operator))(X), jax.hessian(scalar(reference))(X))
    with pytest.raises(MissingRuleError, match=r"second=SecondDerivative\(jvp=\.\.\.\)"):
        jax.jacfwd(jax.jacfwd(scalar(operator)))(X)


def test_without_a_reference_a_third_derivative_raises(make, second):
    with pytest.raises(MissingRuleError, match="no third derivative: give reference="):
        jax.jacfwd(jax.hessian(scalar(make("jvp", "vjp", second=second))))(X)


# Integers, constants, several inputs


@pytest.fixture(scope="module")
def scatter(small):
    return Operator(
        "scatter_add",
        inputs=(
            Array("values", jnp.float64, ("n", 3)),
            Array("index", jnp.int32, ("n",)),
            Array("into", jnp.float64, ("m", 3)),
        ),
        outputs=(Array("out", jnp.float64, ("m", 3)),),
        forward=small.target("ScatterAddHandler"),
        jvp=small.target("ScatterAddJvpHandler"),
        vjp=small.target("ScatterAddVjpHandler"),
    )


@pytest.mark.parametrize("argument", [0, 2, (0, 2)])
def test_integer_inputs_take_no_derivative(scatter, argument):
    index = jnp.array([0, 2, 0, 1], jnp.int32)
    values, into = jnp.arange(12.0).reshape(4, 3), jnp.ones((3, 3))

    def loss(by):
        return lambda values, index, into: (by(values, index, into) ** 2).sum()

    def by_jax(values, index, into):
        return into.at[index].add(values)

    found = jax.grad(loss(scatter), argument)(values, index, into)
    expected = jax.grad(loss(by_jax), argument)(values, index, into)
    jax.tree.map(assert_same, found, expected)
    whole = jax.grad(loss(scatter), 1, allow_int=True)(values, index, into)
    assert whole.dtype == jax.dtypes.float0


def test_a_declared_constant_has_no_derivative(small):
    operator = Operator(
        "product",
        inputs=(
            Array("x", jnp.float64, ("n",)),
            Array("cutoff", jnp.float64, differentiable=False),
        ),
        outputs=(
            Array("y", jnp.float64, ("n",)),
            Array("count", jnp.int32),
            Array("norm", jnp.float64, differentiable=False),
        ),
        # A target that is on no platform: the rules run, and the reference does the work.
        forward=Target("none", "None", frozenset()),
        vjp=Target("none", "None", frozenset()),
        reference=lambda x, cutoff: (
            x * x * cutoff,
            jnp.sum(x > cutoff).astype(jnp.int32),
            jnp.linalg.norm(x),
        ),
    )
    gradient = jax.grad(lambda x, c: sum(jnp.sum(y) for y in operator(x, c)), (0, 1))(X, 3.0)
    assert_same(gradient[0], 6 * X)
    assert gradient[1] == 0.0


# Residuals


def gate_reference(w, x, c):
    return jnp.tanh(w @ x) * c


def gate(gates, **changes):
    given = {
        "inputs": (
            Array("w", jnp.float64, ("n", "m")),
            Array("x", jnp.float64, ("m",)),
            Array("c", jnp.float64, ("n",)),
        ),
        "outputs": (Array("h", jnp.float64, ("n",)),),
        "residuals": (Array("gate", jnp.float64, ("n",)),),
        "forward": gates.target("GateHandler"),
        "jvp": gates.target("GateJvpHandler"),
        "vjp": gates.target("GateVjpHandler"),
        "reference": gate_reference,
        "batching": LeadingAxis(),
    }
    return Operator("gate", **{**given, **changes})


GATE_INPUTS = (
    jnp.sin(jnp.arange(12.0)).reshape(3, 4),
    jnp.cos(jnp.arange(4.0)),
    jnp.arange(1.0, 4.0),
)


@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
@pytest.mark.parametrize("changes", [{}, {"jvp": None}, {"vjp": None}])
def test_residuals_reach_the_derivative(gates, jacobian, changes):
    operator = gate(gates, **changes)
    found = jacobian(lambda *a: jnp.sin(operator(*a)), (0, 1, 2))(*GATE_INPUTS)
    expected = jacobian(lambda *a: jnp.sin(gate_reference(*a)), (0, 1, 2))(*GATE_INPUTS)
    jax.tree.map(assert_same, found, expected)


def test_the_second_derivative_sees_through_residuals(gates):
    w, x, c = GATE_INPUTS

    def loss(by):
        return lambda x: jnp.sin(by(w, x, c)).sum()

    expected = jax.hessian(loss(gate_reference))(x)
    assert_same(jax.hessian(loss(gate(gates)))(x), expected)
    assert_same(jax.jacrev(jax.jacrev(loss(gate(gates))))(x), expected)


def test_saving_is_called_under_differentiation_alone(gates):
    lean = gates.target("GateLeanHandler")
    saving = gates.target("GateHandler")
    operator = gate(gates, forward=lean, saving=saving)

    def text(function):
        return jax.jit(function).lower(*GATE_INPUTS).as_text()

    plain, derived = text(operator), text(jax.grad(lambda *a: operator(*a).sum()))
    assert (lean.name in plain, saving.name in plain) == (True, False)
    assert (lean.name in derived, saving.name in derived) == (False, True)
    assert_same(operator(*GATE_INPUTS), gate_reference(*GATE_INPUTS))


def test_an_output_can_be_a_residual(gates):
    # Written once, returned, and handed to the derivative.
    saved = Array("gate", jnp.float64, ("n",), differentiable=False)
    h = Array("h", jnp.float64, ("n",))
    operator = gate(gates, outputs=(h, saved), residuals=(saved,), reference=None)
    found = jax.grad(lambda *a: operator(*a)[0].sum(), (0, 1, 2))(*GATE_INPUTS)
    expected = jax.grad(lambda *a: gate_reference(*a).sum(), (0, 1, 2))(*GATE_INPUTS)
    jax.tree.map(assert_same, found, expected)
    assert_same(operator(*GATE_INPUTS)[1] * GATE_INPUTS[2], operator(*GATE_INPUTS)[0])


def test_a_reference_on_another_platform_gets_no_zeros_for_residuals(gates):
    # The value has no target here, so a native vjp would work with residuals that nobody wrote.
    elsewhere = Target("elsewhere", "Elsewhere", frozenset({"cuda"}))
    operator = gate(gates, forward=elsewhere)
    found = jax.grad(lambda *a: operator(*a).sum(), (0, 1, 2))(*GATE_INPUTS)
    expected = jax.grad(lambda *a: gate_reference(*a).sum(), (0, 1, 2))(*GATE_INPUTS)
    jax.tree.map(assert_same, found, expected)


def test_targets_by_dtype_are_those_of_the_derivatives_too(small):
    real = OneOf(jnp.float32, jnp.float64)

    def by_dtype(symbol):
        return {
            jnp.float32: small.target(f"{symbol}32"),
            jnp.float64: small.target(f"{symbol}64"),
        }

    operator = Operator(
        "square",
        inputs=(Array("x", real, ("n",)),),
        outputs=(Array("y", real, ("n",)), Array("s", real)),
        attributes={"a": float},
        forward=by_dtype("Square"),
        jvp=by_dtype("SquareJvp"),
        vjp=by_dtype("SquareVjp"),
    )
    x = X.astype(jnp.float32)
    found = jax.grad(lambda x: operator(x, a=2.0)[1])(x)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 6 * x**2, rtol=1e-6)
