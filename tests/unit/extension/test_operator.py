"""Operators as they are called: dtypes, checks before the call, platforms, native errors."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from gradion.extension.array import Array, OneOf
from gradion.extension.library import Target, load
from gradion.extension.native_node import MissingRuleError
from gradion.extension.operator import Operator

SOURCES = Path(__file__).resolve().parents[2] / "native" / "sources"
REAL = OneOf(jnp.float32, jnp.float64)
X = jnp.arange(1.0, 5.0)


@pytest.fixture(scope="module")
def small(shared_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADION_CACHE", str(shared_cache))
        return load("op_small", SOURCES / "op_small.cc", flags=["-O1"])


def square_reference(x, *, a):
    return a * x * x, a * (x**3).sum()


@pytest.fixture
def square(small):
    return Operator(
        "square",
        inputs=(Array("x", REAL, ("n",)),),
        outputs=(Array("y", REAL, ("n",)), Array("s", REAL)),
        attributes={"a": float},
        forward={jnp.float32: small.target("Square32"), jnp.float64: small.target("Square64")},
    )


@pytest.fixture
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
    )


@pytest.fixture
def fail(small):
    return Operator(
        "fail",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)),),
        attributes={"by_exception": bool},
        forward=small.target("FailHandler"),
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("transform", [jax.jit, lambda function: function])
def test_the_dtype_chooses_the_target(square, dtype, transform):
    y, s = transform(lambda x: square(x, a=2.0))(X.astype(dtype))
    assert y.dtype == s.dtype == dtype
    np.testing.assert_array_equal(y, 2 * X**2)
    assert s == 200.0


def test_one_output_is_no_tuple(scatter):
    index = jnp.array([0, 2, 0, 1], jnp.int32)
    out = scatter(jnp.ones((4, 3)), index, jnp.zeros((3, 3)))
    np.testing.assert_array_equal(out, np.array([2.0, 1.0, 1.0])[:, None] * np.ones(3))


def test_numpy_arrays_and_python_numbers_are_taken():
    operator = Operator(
        "axpy",
        inputs=(Array("a", REAL), Array("x", REAL, ("n",)), Array("k", jnp.int32)),
        outputs=(Array("y", REAL, ("n",)),),
        reference=lambda a, x, k: a * x + k.astype(x.dtype),
    )
    y = operator(2, np.ones(3, np.float32), 1)
    assert y.dtype == jnp.float32
    np.testing.assert_array_equal(y, 3.0)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((jnp.ones((2, 3)),), TypeError, "got 1 arguments, expected 3"),
        ((jnp.ones((2, 3)), [0, 1], jnp.zeros((4, 3))), TypeError, "'index' is a list"),
        (
            (jnp.ones((2, 3)), jnp.arange(2), jnp.zeros((4, 3))),
            TypeError,
            r"'index' is int64; expected int32.*astype\(int32\)",
        ),
        (
            (jnp.ones((2, 3), jnp.float32), jnp.zeros(2, jnp.int32), jnp.zeros((4, 3))),
            TypeError,
            "'values' is float32; expected float64",
        ),
        (
            (jnp.ones(6), jnp.zeros(2, jnp.int32), jnp.zeros((4, 3))),
            ValueError,
            r"'values' has 1 dimensions, shape \(6,\); expected 2: \[n, 3\]",
        ),
        (
            (jnp.ones((2, 4)), jnp.zeros(2, jnp.int32), jnp.zeros((4, 3))),
            ValueError,
            "'values' has size 4 along axis 1.*expected 3",
        ),
        (
            (jnp.ones((2, 3)), jnp.zeros(5, jnp.int32), jnp.zeros((4, 3))),
            ValueError,
            "'index' has size 5 along axis 0.*expected n = 2 in 'values'",
        ),
        ((jnp.ones((2, 3)), 1.5, jnp.zeros((4, 3))), TypeError, "'index' is the number 1.5"),
    ],
)
@pytest.mark.parametrize("transform", [jax.jit, lambda function: function])
def test_wrong_arguments_raise_before_the_call(scatter, arguments, error, match, transform):
    with pytest.raises(error, match=match):
        transform(lambda _: scatter(*arguments))(0.0)


def test_inputs_of_one_choice_must_agree():
    operator = Operator(
        "add",
        inputs=(Array("x", REAL, ("n",)), Array("y", REAL, ("n",))),
        outputs=(Array("z", REAL, ("n",)),),
        reference=jnp.add,
    )
    with pytest.raises(TypeError, match="'y' is float32 and 'x' is float64"):
        operator(X, X.astype(jnp.float32))


@pytest.mark.parametrize("given", [{}, {"b": 1.0}, {"a": 1.0, "b": 1.0}])
def test_attributes_must_be_those_declared(square, given):
    with pytest.raises(TypeError, match=r"expected \['a'\]"):
        square(X, **given)


@pytest.mark.parametrize("value", [True, "1", jnp.ones(())])
def test_an_attribute_of_another_type_is_refused(square, value):
    square(X, a=1)
    with pytest.raises(TypeError, match="must be a Python float"):
        square(X, a=value)


def test_attributes_that_are_equal_are_not_taken_for_each_other(square):
    assert not np.signbit(square(X, a=0.0)[0][0])
    assert np.signbit(square(X, a=-0.0)[0][0])


def test_nan_goes_in_and_comes_out(square):
    y, s = square(X.at[1].set(jnp.nan), a=1.0)
    np.testing.assert_array_equal(jnp.isnan(y), [False, True, False, False])
    assert jnp.isnan(s)


@pytest.mark.parametrize(
    ("by_exception", "message"), [(True, "tank is empty"), (False, "tank is too small")]
)
def test_an_error_in_native_code_is_a_python_error_and_the_process_lives(
    fail, square, by_exception, message
):
    # The first call, and one by JAX's fast path, which raises ValueError.
    for _ in range(2):
        with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match=message):
            fail(X, by_exception=by_exception).block_until_ready()
    assert square(X, a=2.0)[1] == 200.0


def test_the_program_is_one_custom_call(square):
    text = jax.jit(lambda x: square(x, a=2.0)).lower(X).as_text()
    body = [line.strip() for line in text.splitlines() if line.strip().startswith("%")]
    assert len(body) == 1
    assert "stablehlo.custom_call" in body[0]


def test_without_targets_the_reference_serves(square):
    pure = Operator(
        "square",
        inputs=(Array("x", REAL, ("n",)),),
        outputs=(Array("y", REAL, ("n",)), Array("s", REAL)),
        attributes={"a": float},
        reference=square_reference,
    )
    np.testing.assert_array_equal(pure(X, a=2.0)[0], square(X, a=2.0)[0])
    assert jax.hessian(lambda x: pure(x, a=1.0)[1])(X).shape == (4, 4)


def test_a_dtype_without_target_is_the_reference(small):
    mixed = Operator(
        "square",
        inputs=(Array("x", REAL, ("n",)),),
        outputs=(Array("y", REAL, ("n",)), Array("s", REAL)),
        attributes={"a": float},
        forward={jnp.float64: small.target("Square64")},
        reference=square_reference,
    )
    assert mixed(X.astype(jnp.float32), a=2.0)[0].dtype == jnp.float32


def test_a_reference_that_returns_something_else_is_named():
    wrong = Operator(
        "wrong",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)),),
        reference=jnp.sum,
    )
    with pytest.raises(TypeError, match=r"returns \['float64\[\]'\]; expected \['float64\[4\]'\]"):
        wrong(X)


def on_cuda(function):
    """Compile for a platform that is not here, as far as that goes."""
    return export.export(jax.jit(function), platforms=["cuda"])(X)


def test_a_platform_without_target_or_reference_raises(square):
    with pytest.raises(MissingRuleError, match="no target for platform 'cuda' and no reference"):
        on_cuda(lambda x: square(x, a=2.0))


def test_a_platform_without_target_takes_the_reference(small):
    operator = Operator(
        "square",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)), Array("s", jnp.float64)),
        attributes={"a": float},
        forward=small.target("Square64"),
        vjp=small.target("SquareVjp64"),
        reference=square_reference,
    )
    text = on_cuda(jax.grad(lambda x: operator(x, a=2.0)[1])).mlir_module()
    assert "custom_call" not in text


def test_a_platform_with_a_target_calls_it():
    # Compiled only: the target need not exist for that.
    operator = Operator(
        "square",
        inputs=(Array("x", jnp.float64, ("n",)),),
        outputs=(Array("y", jnp.float64, ("n",)),),
        forward=Target("square_on_cuda", "Square", frozenset({"cuda"})),
    )
    check = [export.DisabledSafetyCheck.custom_call("square_on_cuda")]
    exported = export.export(jax.jit(operator), platforms=["cuda"], disabled_checks=check)(X)
    assert "@square_on_cuda" in exported.mlir_module()


def test_it_is_exported_for_any_size(square, small):
    check = [export.DisabledSafetyCheck.custom_call(small.target("Square64").name)]
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("n"), jnp.float64)
    exported = export.export(jax.jit(lambda x: square(x, a=2.0)[0]), disabled_checks=check)(shape)
    np.testing.assert_array_equal(exported.call(X), 2 * X**2)


def test_it_runs_while_jit_is_disabled(square):
    with jax.disable_jit():
        np.testing.assert_array_equal(square(X, a=2.0)[0], 2 * X**2)


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
import gradion
from gradion.extension.array import Array
from gradion.extension.batching import LeadingAxis
from gradion.extension.library import load
from gradion.extension.operator import Operator
from jax.sharding import Mesh, PartitionSpec as P

library = load("op_gate", {source!r}, flags=["-O1"])
n = Array("h", jnp.float64, ("n",))
gate = Operator(
    "gate",
    inputs=(Array("w", jnp.float64, ("n", "m")), Array("x", jnp.float64, ("m",)),
            Array("c", jnp.float64, ("n",))),
    outputs=(n,), residuals=(Array("gate", jnp.float64, ("n",)),),
    forward=library.target("GateHandler"), vjp=library.target("GateVjpHandler"),
    batching=LeadingAxis(),
)
mesh = Mesh(np.array(jax.devices()), ("d",))
assert mesh.size == 2
w, x, c = jnp.ones((3, 4)) / 7, jnp.arange(8.0).reshape(2, 4), jnp.ones(3)
every = jax.shard_map(jax.vmap(gate, (None, 0, None)), mesh=mesh, in_specs=(P(), P("d"), P()),
                      out_specs=P("d"))
found = jax.grad(lambda w: every(w, x, c).sum())(w)
expected = jax.grad(lambda w: jnp.tanh(x @ w.T).sum())(w)
np.testing.assert_allclose(found, expected, rtol=1e-12)
"""


def test_shard_map_runs_it_on_each_device(shared_cache):
    # Its own process: the number of devices is fixed when JAX starts.
    subprocess.run(
        [sys.executable, "-c", SHARDED.format(source=str(SOURCES / "op_gate.cc"))],
        check=True,
        env={
            **os.environ,
            "GRADION_CACHE": str(shared_cache),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
    )
