"""Work spread over XLA's threads: gradion/parallel.h."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension import load

SOURCE = Path(__file__).with_name("sources") / "parallel.cc"


@pytest.fixture(scope="module")
def call():
    library = load("parallel", SOURCE)

    def call(symbol: str, x: jax.Array, **attributes: int) -> np.ndarray:
        target = library.target(symbol)
        like = jax.ShapeDtypeStruct(x.shape, x.dtype)
        numbers = {key: np.int64(value) for key, value in attributes.items()}
        return np.array(jax.ffi.ffi_call(target.name, like)(x, **numbers))

    return call


@pytest.mark.parametrize("threads", ["1", "2", "7", "100"])
@pytest.mark.parametrize("n", [0, 1, 101])
def test_each_task_is_done_once(call, monkeypatch, threads, n):
    monkeypatch.setenv("GRADION_NUM_THREADS", threads)
    x = jnp.arange(float(n))
    expected = np.cumsum(np.arange(float(n))[::-1])[::-1]
    np.testing.assert_array_equal(call("TailsHandler", x, bad=-1), expected)


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_an_exception_in_a_task_is_an_error_in_python(call, monkeypatch, threads):
    monkeypatch.setenv("GRADION_NUM_THREADS", threads)
    x = jnp.ones(101)
    for _ in range(3):
        with pytest.raises((jax.errors.JaxRuntimeError, ValueError), match="task failed"):
            call("TailsHandler", x, bad=50)
    assert call("TailsHandler", x, bad=-1)[0] == 101


def test_callers_that_wait_within_tasks_do_not_wait_for_ever(call, monkeypatch):
    monkeypatch.setenv("GRADION_NUM_THREADS", "50")
    np.testing.assert_array_equal(call("NestedHandler", jnp.ones(60)), np.full(60, 60.0))


def test_the_number_of_threads_is_that_of_the_environment_or_of_the_pool(call, monkeypatch):
    monkeypatch.setenv("GRADION_NUM_THREADS", "3")
    assert call("ThreadsHandler", jnp.ones(1)) == [3]
    for nothing in ("0", "-1", "many", ""):
        monkeypatch.setenv("GRADION_NUM_THREADS", nothing)
        assert call("ThreadsHandler", jnp.ones(1))[0] >= 1
