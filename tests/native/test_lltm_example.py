"""The LLTM example: its operator, its mathematics, its training, and the ways to build it."""

from __future__ import annotations

import ctypes
import doctest
import importlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import nn
from gradion.extension import build_plan, check_operator, load, load_prebuilt
from gradion.extension.toolchain import find_nvcc

from .lltm_inputs import make

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lltm"
NVCC = find_nvcc()
HANDLERS = ("LltmForward", "LltmSaving", "LltmJvp", "LltmVjp")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache for this module, in which the example is built once."""
    folder = tmp_path_factory.mktemp("lltm")
    before = os.environ.get("GRADION_CACHE")
    os.environ["GRADION_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["GRADION_CACHE"]
    else:
        os.environ["GRADION_CACHE"] = before


@pytest.fixture(scope="module")
def lltm(cache):
    """The package of the example, built just in time for the CPU; one test builds for a GPU."""
    assert not list(EXAMPLE.rglob("*.so")), "the package has been built in place"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_plan, "find_nvcc", lambda: None)
        patch.syspath_prepend(str(EXAMPLE))
        yield importlib.import_module("lltm")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lltm", "train")]:
        del sys.modules[name]


def cell_inputs(batch, features, state):
    """weight, bias, x, old_h, old_cell."""
    x, weight, bias, cell = make({"batch": batch, "columns": state + features, "state": state})
    flat = weight.reshape(3 * state, -1), bias.reshape(-1)
    return [jnp.asarray(a) for a in (*flat, x[:, state:], x[:, :state], cell)]


# -- the operator --------------------------------------------------------------------------------


def test_the_operator_passes_its_check(lltm):
    """Whole tiles of the product; then what is left over at each side, a batch of 1 and of none."""
    examples = [
        make({"batch": 16, "columns": 24, "state": 8}),
        make({"batch": 19, "columns": 23, "state": 13}),
        make({"batch": 1, "columns": 3, "state": 2}),
    ]
    # float32: sums of up to 57 products round to 2e-6, and the bound leaves room for their order.
    report = check_operator(lltm.lltm, *examples, make=make, rtol=1e-5, verbose=False)
    report.raise_failures()
    checked = {row.case for row in report.rows if row.verdict == "ok"}
    assert {"batch = 0, columns = 24, state = 8", "batch = 16, columns = 24, state = 0"} <= checked
    unchecked = {row.note.split(":")[0] for row in report.rows if row.verdict != "ok"}
    assert unchecked <= {"inputs of these sizes cannot be had"}


def test_at_the_sizes_of_the_benchmark_all_gradients_are_those_of_jax(lltm):
    inputs = cell_inputs(16, 32, 128)

    def loss(cell):
        return lambda *inputs: sum(jnp.sum(y**2) for y in cell(*inputs))

    found, expected = (
        jax.jit(jax.grad(loss(cell), argnums=range(5)))(*inputs)
        for cell in (lltm.lltm_cell, nn.lltm_cell)
    )
    for got, wanted in zip(found, expected, strict=True):
        # Sums of up to 384 products in float32, in another order.
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * float(jnp.abs(wanted).max()))


def test_nan_and_infinity_go_through(lltm):
    weight, bias, x, h, cell = cell_inputs(9, 2, 3)
    cell = cell.at[0, 0].set(jnp.nan).at[1, 1].set(jnp.inf).at[2, 2].set(-jnp.inf)
    bias = bias.at[0].set(1e4).at[4].set(-1e4)
    found, expected = (f(weight, bias, x, h, cell) for f in (lltm.lltm_cell, nn.lltm_cell))
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert np.isnan(found[1]).sum() == 1


def test_shapes_are_looked_at_in_cpp_too(lltm):
    """A target that is called by hand: nothing is read beyond a buffer."""
    x, weight, bias, cell = make({"batch": 4, "columns": 5, "state": 2})
    name = lltm.cell.library.target("LltmForward").name
    out = (jax.ShapeDtypeStruct(cell.shape, cell.dtype),) * 2
    with pytest.raises(
        jax.errors.JaxRuntimeError,
        match=r"lltm: weight has the shape \[ 3 2 4 \], expected \[ 3 2 5 \]",
    ):
        jax.ffi.ffi_call(name, out)(x, weight[:, :, :4], bias, cell)[0].block_until_ready()


def test_the_module_loads_the_state_of_the_one_in_jax(lltm):
    plain = nn.LLTM(3, 2, key=jax.random.key(0))
    native = lltm.LLTM(3, 2, key=jax.random.key(1))
    native.load_state_dict(plain.state_dict())
    x, h, cell = cell_inputs(4, 3, 2)[2:]
    for got, wanted in zip(native(x, (h, cell)), plain(x, (h, cell)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)


# -- its mathematics -----------------------------------------------------------------------------

_FUNCTIONS = """
#include <cstdint>
#include "{header}"
extern "C" void evaluate(int which, const float* x, float* y, int64_t n) {{
  using namespace float_math;
  for (int64_t k = 0; k < n; ++k)
    y[k] = which == 0   ? Expm1(x[k])
           : which == 1 ? Sigmoid(x[k])
           : which == 2 ? Tanh(x[k])
                        : Elu(x[k]);
}}
"""
# In units in the last place of the result; found: 1.7, 2.9, 2.5 and 0.9.
_FLOAT_MATH = (
    (np.expm1, 2.5),
    (lambda x: 1 / (1 + np.exp(-x)), 3.5),
    (np.tanh, 3.0),
    (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 2.0),
)


@pytest.fixture(scope="module")
def evaluate(cache, tmp_path_factory):
    """The functions of float_math.h on arrays, for this processor."""
    source = tmp_path_factory.mktemp("float_math") / "functions.cc"
    source.write_text(_FUNCTIONS.format(header=EXAMPLE / "lltm" / "float_math.h"))
    path = load("functions", source).paths["cpu"]
    call = ctypes.CDLL(str(path)).evaluate

    def of(which, x):
        x = np.ascontiguousarray(x, np.float32)
        y = np.empty_like(x)
        pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (x, y))
        call(ctypes.c_int(which), *pointers, ctypes.c_int64(x.size))
        return y

    return of


@pytest.mark.parametrize("which", range(4), ids=["expm1", "sigmoid", "tanh", "elu"])
def test_float_functions_are_right_to_the_last_places(evaluate, which):
    function, most = _FLOAT_MATH[which]
    tiny = np.logspace(-30, 0, 10_001)
    x = np.concatenate([np.linspace(-40, 100, 400_001), np.linspace(-1, 1, 100_001), tiny, -tiny])
    x = x.astype(np.float32)
    with np.errstate(over="ignore"):
        exact = function(x.astype(np.float64))
        expected = exact.astype(np.float32)
    got = evaluate(which, x)
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))
    normal = np.isfinite(expected) & (np.abs(exact) > np.finfo(np.float32).tiny)
    error = np.abs(got - exact)[normal] / np.spacing(np.abs(expected[normal]))
    assert error.max() < most
    assert error.max() > 0.4  # it is the float32 function, and not a copy of the exact one


def test_float_functions_have_their_limits(evaluate):
    x = [np.nan, np.inf, -np.inf, 0.0, 3e38, -3e38]
    limits = ([np.inf, -1, 0, np.inf, -1], [1, 0, 0.5, 1, 0], [1, -1, 0, 1, -1])
    for which, expected in enumerate((*limits, [np.inf, -1, 0, 3e38, -1])):
        np.testing.assert_array_equal(evaluate(which, x), np.array([np.nan, *expected], np.float32))


# -- building and training -----------------------------------------------------------------------


def test_what_is_built_in_the_package_is_taken(lltm, tmp_path, monkeypatch):
    """As in an installed package: without a compiler, from the file beside the sources."""
    built = lltm.cell.library.paths["cpu"]
    (tmp_path / "lltm.so").write_bytes(built.read_bytes())
    monkeypatch.setattr(lltm.cell, "HERE", tmp_path)
    monkeypatch.setenv("PATH", "")
    library = lltm.cell.open_library()
    assert library.paths["cpu"].parent == tmp_path
    assert [library.target(name).symbol for name in HANDLERS] == list(HANDLERS)


@pytest.mark.any_version
@pytest.mark.skipif(NVCC is None, reason="compiles CUDA, and there is no nvcc")
def test_cuda_is_compiled_and_has_the_same_handlers(lltm, monkeypatch):
    monkeypatch.setattr(build_plan, "find_nvcc", lambda: NVCC)
    library = lltm.cell.open_library()
    for name in HANDLERS:
        assert library.target(name).platforms == {"cpu", "cuda"}


def _setup_extensions(monkeypatch, cuda):
    """The extensions that setup.py declares."""
    import setuptools

    found = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: found.update(given))
    monkeypatch.setenv("LLTM_CUDA", cuda)
    monkeypatch.chdir(EXAMPLE)
    source = (EXAMPLE / "setup.py").read_text(encoding="ascii")
    exec(compile(source, "setup.py", "exec"), {})
    return [extension.native for extension in found["ext_modules"]]


def test_both_packages_declare_the_same_build_as_load(lltm, monkeypatch):
    (cpu,), (both,) = (_setup_extensions(monkeypatch, cuda) for cuda in ("0", "1"))
    project = tomllib.loads((EXAMPLE / "hatchling" / "pyproject.toml").read_text(encoding="ascii"))
    (table,) = project["tool"]["hatch"]["build"]["hooks"]["gradion"]["extensions"]
    source = EXAMPLE / "lltm" / "lltm.cc"
    assert cpu.name == both.name == table["name"] == "lltm.lltm"
    assert cpu.sources == both.sources == (source,)
    assert [(EXAMPLE / "hatchling" / path).resolve() for path in table["sources"]] == [source]
    assert (cpu.cuda_sources, both.cuda_sources) == ((), (EXAMPLE / "lltm" / "lltm.cu",))
    assert list(cpu.flags.cpp) == list(both.flags.cpp) == table["flags"] == lltm.cell.FLAGS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is built against the XLA FFI")
@pytest.mark.parametrize("project", [".", "hatchling"])
def test_a_wheel_is_built_and_loads(project, tmp_path, lltm):
    """10 s each: a compiler, and pip. In a copy, so that nothing is left in the source."""
    copy = tmp_path / "copy"
    for path in EXAMPLE.rglob("*"):
        if path.suffix in {".py", ".toml", ".cc", ".cu", ".h"}:
            target = copy / path.relative_to(EXAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    wheels = tmp_path / "wheels"
    command = ["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", str(wheels)]
    subprocess.run([sys.executable, *command, str(copy / project)], check=True, capture_output=True)
    (wheel,) = wheels.iterdir()
    assert re.fullmatch(r"gradion_example_lltm-1\.0-py3-none-\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    library = load_prebuilt(tmp_path / "installed" / "lltm" / "lltm.so")
    x, weight, bias, cell = make({"batch": 4, "columns": 5, "state": 2})
    out = (jax.ShapeDtypeStruct(cell.shape, cell.dtype),) * 2
    call = jax.ffi.ffi_call(library.target("LltmForward").name, out)
    for got, wanted in zip(
        call(x, weight, bias, cell), lltm.lltm(x, weight, bias, cell), strict=True
    ):
        # Another processor's instructions: sums of 5 products in float32.
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)


def test_the_training_example_runs(lltm, monkeypatch, capsys):
    """25 steps; 1,000 take both to an error of 3e-4."""
    monkeypatch.setattr(sys, "argv", ["train.py", "--steps", "25"])
    importlib.import_module("train").main()
    errors = re.findall(r"square error (\d\.\d+),", capsys.readouterr().out)
    # The same training but for rounding.
    assert float(errors[0]) == pytest.approx(float(errors[1]), rel=1e-2)
    assert float(errors[0]) < 0.4


def test_the_training_example_is_short():
    assert len((EXAMPLE / "train.py").read_text(encoding="ascii").splitlines()) < 100


# -- the page ------------------------------------------------------------------------------------

PAGE = EXAMPLE.parents[1] / "docs" / "how-to" / "extension-tutorial.md"
# A fence, its kind, what is in it, the closing fence.
_FENCE = re.compile(r"^```(\w+)\n((?:.*\n)*?)^```$", re.MULTILINE)
_FILE = re.compile(r"(?:#|//) (\S+\.(?:py|cc|cu|h|toml))\n")


def quotations(text):
    """The pieces of code on a page that come from files: (file, piece). `...` parts two pieces."""
    for match in _FENCE.finditer(text):
        named = _FILE.match(match[2])
        if match[1] in ("python", "cpp", "toml"):
            assert named, f"which file is this from? {match[2][:60]!r}"
            path = EXAMPLE / named[1]
            if not path.is_file():
                path = EXAMPLE.parents[1] / named[1]
            for piece in match[2][named.end() :].split("\n...\n"):
                yield path, piece


def test_the_code_on_the_page_is_that_of_the_example():
    found = list(quotations(PAGE.read_text(encoding="ascii")))
    assert len(found) >= 13
    for path, piece in found:
        assert piece in path.read_text(encoding="ascii"), f"not in {path.name}:\n{piece}"


def test_code_that_is_not_in_the_example_is_found():
    ((path, piece),) = quotations("```cpp\n// lltm/lltm.cc\nreturn ffi::Error::Failure();\n```\n")
    assert piece not in path.read_text(encoding="ascii")


def test_the_sessions_on_the_page_run(lltm):
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    sessions = [m[2] for m in _FENCE.finditer(PAGE.read_text(encoding="ascii")) if m[1] == "pycon"]
    names, said = {}, []
    for number, session in enumerate(sessions):
        test = doctest.DocTestParser().get_doctest(session, {}, f"session {number}", str(PAGE), 0)
        test.globs = names
        failed, tried = runner.run(test, out=said.append, clear_globs=False)
        assert tried
        assert not failed, "".join(said)
    assert len(sessions) == 2
