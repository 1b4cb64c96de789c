"""Kernels: found, built when first called, and on their references where they cannot be built."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension import BuildError, CompilerNotFoundError
from gradion.extension import kernel as kernel_module
from gradion.extension.kernel import Kernel, NativeTargets, find_kernels
from gradion.foundation.errors import InputError

_KERNEL = """\
import jax.numpy as jnp
from gradion.extension import Array, Operator, check_operator
from gradion.extension.kernel import Kernel

def declare(native):
    return Operator("twice", inputs=(Array("x", jnp.float64, ("n",)),),
                    outputs=(Array("y", jnp.float64, ("n",)),),
                    forward=native.target("Twice"), reference=lambda x: 2 * x)

def check(operator, *, verbose):
    return check_operator(operator, (jnp.ones(3),), verbose=verbose)

KERNEL = Kernel(__file__, __name__, declare=declare, check=check)
"""
# Three times, not twice: so that it shows which code has run.
_SOURCE = """\
#include "xla/ffi/api/ffi.h"
namespace ffi = xla::ffi;
static ffi::Error twice(ffi::BufferR1<ffi::F64> x, ffi::ResultBufferR1<ffi::F64> y) {
  for (size_t i = 0; i < x.element_count(); ++i) y->typed_data()[i] = 3 * x.typed_data()[i];
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Twice, twice, ffi::Ffi::Bind().Arg<ffi::BufferR1<ffi::F64>>().Ret<ffi::BufferR1<ffi::F64>>());
"""


@pytest.fixture
def package(tmp_path, monkeypatch, own_cache):
    """An installed package with kernels of these names; returns them."""

    def make(*names: str, source: str = _SOURCE) -> tuple[Kernel, ...]:
        kernels = tmp_path / "site" / "pack" / "inner" / "kernels"
        for name in names:
            folder = kernels / name
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text(_KERNEL)
            (folder / f"{name}.cc").write_text(source)
        for folder in (kernels, kernels.parent, kernels.parent.parent):
            (folder / "__init__.py").touch()
        return find_kernels("pack")

    for name in [name for name in sys.modules if name == "pack" or name.startswith("pack.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(kernel_module, "_warned_of_compiler", False)
    yield make
    for name in [name for name in sys.modules if name == "pack" or name.startswith("pack.")]:
        del sys.modules[name]


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")


def test_it_is_built_when_it_is_first_called_and_then_found(package):
    (kernel,) = package("twice")
    assert (kernel.name, kernel.library_name) == ("inner.twice", "inner_twice")
    assert kernel.built_file() is None
    np.testing.assert_array_equal(jax.jit(kernel)(jnp.ones(2)), [3, 3])
    assert kernel.built_file() == kernel.build().paths["cpu"]
    assert kernel.operator is kernel.operator


def test_its_check_finds_native_code_that_differs_from_the_reference(package):
    (kernel,) = package("twice")
    report = kernel.check(verbose=False)
    assert {row.check for row in report.failures} >= {"value"}


def test_without_a_compiler_all_run_on_references_with_one_warning(package, no_compiler):
    first, second = package("one", "two")
    with pytest.warns(RuntimeWarning, match="no C\\+\\+ compiler .*references.*install one"):
        np.testing.assert_array_equal(first(jnp.ones(2)), [2, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(jax.grad(lambda x: second(x).sum())(jnp.ones(2)), [2, 2])
    with pytest.raises(CompilerNotFoundError):
        first.build()
    with pytest.raises(CompilerNotFoundError):
        first.built_file()


def test_what_the_compiler_refuses_runs_on_its_reference_and_says_how_to_see_why(package):
    (kernel,) = package("twice", source="this is no C++")
    with pytest.warns(RuntimeWarning, match="`gradion kernels build inner.twice` shows"):
        np.testing.assert_array_equal(kernel(jnp.ones(2)), [2, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel(jnp.ones(2))
    with pytest.raises(BuildError):
        kernel.check()


def test_what_can_be_kept_nowhere_runs_on_its_reference(package, monkeypatch):
    (kernel,) = package("twice")

    def no_room(*arguments, **options):
        raise InputError("there is no room", where="extension cache", mend="make some")

    monkeypatch.setattr(kernel_module, "load", no_room)
    with pytest.warns(RuntimeWarning, match="inner.twice: there is no room; it runs on its ref"):
        np.testing.assert_array_equal(kernel(jnp.ones(2)), [2, 2])


def test_a_kernel_without_its_source_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no source thing\.cc"):
        Kernel(
            str(tmp_path / "thing" / "__init__.py"), "pack.kernels.thing", declare=None, check=None
        )


def test_handlers_are_none_where_nothing_is_built():
    assert NativeTargets(None).target("F") is None
    assert NativeTargets(None).by_dtype({jnp.float32: "F"}) is None


def test_those_of_gradion_are_found_by_name():
    assert "numerics.segment_sum" in [kernel.name for kernel in find_kernels()]
    assert all(Path(kernel.source).is_file() for kernel in find_kernels())
