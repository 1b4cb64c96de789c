"""Packages with an extension, built by setuptools and by hatchling."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.extension.ffi_version import OLDEST_SUPPORTED, runtime_version
from gradion.extension.flags import Flags
from gradion.extension.library import load_prebuilt
from gradion.extension.packaging import native_extension
from gradion.extension.packaging.native_extension import NativeExtension, wheel_tag
from gradion.foundation.errors import InputError


def _spec(name):
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None


# On a newer jax than the oldest every build warns; one test looks at that.
pytestmark = pytest.mark.filterwarnings("ignore:.*is built against the XLA FFI")

needs_setuptools = pytest.mark.skipif(
    _spec("setuptools.command.bdist_wheel") is None, reason="needs setuptools >= 70.1"
)
needs_hatchling = pytest.mark.skipif(_spec("hatchling") is None, reason="needs hatchling")


@pytest.fixture
def extension(answer, own_cache, tmp_path):
    def of(**changes):
        given = {"sources": [answer(1)], "flags": Flags(cpp=("-O0",)), "root": tmp_path}
        return NativeExtension.of("pack.answer", **{**given, **changes})

    return of


def test_what_is_built_ahead_of_time_loads(extension, tmp_path):
    (built,) = extension().build(tmp_path / "out", verbose=False)
    assert built == tmp_path / "out" / "answer.so"
    assert load_prebuilt(built)._files["cpu"].opened.answer() == 1


def test_nothing_but_the_library_is_left(extension, tmp_path):
    extension().build(tmp_path / "out", verbose=False)
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["answer.so"]


def test_headers_newer_than_the_oldest_supported_are_warned_of(extension, tmp_path, monkeypatch):
    newer = OLDEST_SUPPORTED._replace(minor=99)
    monkeypatch.setattr(native_extension, "header_version", lambda folder: newer)
    with pytest.warns(RuntimeWarning, match=r"FFI 0\.99.*jaxlib==0\.10\.2"):
        extension().build(tmp_path / "out", verbose=False)


def test_the_oldest_headers_are_those_of_the_oldest_jaxlib():
    # The one that CI runs; with a newer one there is nothing to compare.
    if jax.__version__ == native_extension.OLDEST_JAXLIB:
        assert runtime_version() == OLDEST_SUPPORTED
    else:
        assert runtime_version() >= OLDEST_SUPPORTED


@pytest.mark.parametrize("name", ["", "a-b", "a..b", ".a", "a b"])
def test_a_name_that_is_not_dotted_words_is_refused(extension, name, answer, tmp_path):
    with pytest.raises(ValueError, match="name: got"):
        NativeExtension.of(name, sources=[answer(1)], flags=Flags(), root=tmp_path)


def test_no_sources_are_refused(extension):
    with pytest.raises(ValueError, match="got no sources"):
        extension(sources=[])


def test_cuda_sources_without_nvcc_are_an_error(extension, answer, tmp_path, monkeypatch):
    monkeypatch.setattr(native_extension, "cuda_plan", lambda *_, **__: None)
    with pytest.raises(InputError, match="has CUDA sources, and no nvcc"):
        extension(cuda_sources=[answer(1)]).build(tmp_path / "out", verbose=False)


def test_both_files_have_their_place_in_the_package(extension, answer):
    both = extension(cuda_sources=[answer(1)])
    assert both.files == ("answer.so", "answer.cuda.so")
    assert both.path_in_package("answer.cuda.so") == "pack/answer.cuda.so"


def test_headers_are_among_the_files_of_the_user(extension, answer, tmp_path):
    (tmp_path / "a.h").touch()
    source = answer(1, name="other.cc", before='#include "a.h"')
    found = extension(sources=[source]).user_files()
    assert [path.name for path in found] == ["other.cc", "a.h"]


_SETUP = """
from gradion.extension.packaging.setuptools_hook import BuildExtension, BuildWheel, CppExtension
from setuptools import setup

setup(
    name="pack", version="1.0", packages=["pack"], package_dir={"": "src"},
    ext_modules=[CppExtension("pack.axpy", ["src/pack/axpy.cc"], flags=["-O0"])],
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": BuildWheel},
)
"""
_SETUPTOOLS_PROJECT = """
[build-system]
requires = ["setuptools>=70.1", "gradion", "jaxlib==0.10.2"]
build-backend = "setuptools.build_meta"
"""
_HATCHLING_PROJECT = """
[build-system]
requires = ["hatchling>=1.24", "gradion", "jaxlib==0.10.2"]
build-backend = "hatchling.build"

[project]
name = "pack"
version = "1.0"

[[tool.hatch.build.hooks.gradion.extensions]]
name = "pack.axpy"
sources = ["src/pack/axpy.cc"]
flags = ["-O0"]
"""


@pytest.fixture
def project(tmp_path, axpy_source):
    """A package whose handler includes a header of its own."""
    package = tmp_path / "project" / "src" / "pack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "own.h").write_text("// of the package\n")
    text = '#include "own.h"\n' + axpy_source.read_text()
    (package / "axpy.cc").write_text(text)
    return tmp_path / "project"


def _environment(tmp_path):
    """For the build: the hook is found by hatch even where gradion was installed without it."""
    info = tmp_path / "plugins" / "gradion_hook-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gradion_hook\nVersion: 0\n")
    hook = "gradion.extension.packaging.hatchling_hook"
    (info / "entry_points.txt").write_text(f"[hatch]\ngradion = {hook}\n")
    paths = [str(info.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PIP_NO_CACHE_DIR": "1"}


def _pip(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--no-build-isolation", "--no-deps"],
        env=_environment(tmp_path),
        check=True,
        capture_output=True,
        text=True,
    )


def _check_wheel(tmp_path, project):
    """Build the wheel, look at its name and what is in it, and call the handler."""
    _pip(tmp_path, "wheel", str(project), "-w", str(tmp_path / "wheels"))
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert wheel.name == f"pack-1.0-{wheel_tag()}.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert "pack/axpy.so" in archive.namelist()
        archive.extractall(tmp_path / "installed")
    built = load_prebuilt(tmp_path / "installed" / "pack" / "axpy.so")
    name = built.target("Axpy").name
    x = jnp.arange(3.0)
    out = jax.jit(lambda x: jax.ffi.ffi_call(name, jax.ShapeDtypeStruct((3,), x.dtype))(x, a=2.0))
    np.testing.assert_array_equal(out(x), 2.0 * x)


@needs_setuptools
def test_setuptools_builds_a_wheel_for_every_python(project, tmp_path):
    (project / "setup.py").write_text(_SETUP)
    (project / "pyproject.toml").write_text(_SETUPTOOLS_PROJECT)
    _check_wheel(tmp_path, project)


@needs_hatchling
def test_hatchling_builds_a_wheel_for_every_python(project, tmp_path):
    (project / "pyproject.toml").write_text(_HATCHLING_PROJECT)
    _check_wheel(tmp_path, project)


@pytest.mark.slow
@needs_setuptools
def test_an_editable_setuptools_package_has_the_library_in_its_source(project, tmp_path):
    (project / "setup.py").write_text(_SETUP)
    (project / "pyproject.toml").write_text(_SETUPTOOLS_PROJECT)
    _pip(tmp_path, "install", "--target", str(tmp_path / "site"), "-e", str(project))
    assert (project / "src" / "pack" / "axpy.so").is_file()


@needs_hatchling
def test_an_editable_hatchling_package_has_the_library_in_its_source(tmp_path, answer, own_cache):
    from gradion.extension.packaging.hatchling_hook import GradionBuildHook

    (tmp_path / "src" / "pack").mkdir(parents=True)
    table = {"name": "pack.answer", "sources": [str(answer(1))], "flags": ["-O0"]}
    hook = GradionBuildHook(
        str(tmp_path), {"extensions": [table]}, None, None, str(tmp_path), "wheel"
    )
    data = {"force_include": {}}
    hook.initialize("editable", data)
    assert (tmp_path / "src" / "pack" / "answer.so").is_file()
    assert data == {"force_include": {}}


@pytest.mark.slow
@needs_setuptools
def test_an_sdist_has_sources_and_headers_and_needs_no_compiler(project, tmp_path):
    (project / "setup.py").write_text(_SETUP)
    (project / "pyproject.toml").write_text(_SETUPTOOLS_PROJECT)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "sdist", "--formats=zip"],
        cwd=project,
        env={**_environment(tmp_path), "CXX": "no-such-compiler"},
        check=True,
        capture_output=True,
    )
    (archive,) = (project / "dist").iterdir()
    names = zipfile.ZipFile(archive).namelist()
    for file in ("axpy.cc", "own.h"):
        assert f"pack-1.0/src/pack/{file}" in names


@pytest.mark.slow
@needs_setuptools
def test_a_setuptools_extension_of_cuda_and_cpu_yields_both_files(project, tmp_path):
    """With an nvcc that is a C++ compiler: what is compiled is not the point here."""
    (project / "setup.py").write_text(
        textwrap.dedent(_SETUP)
        .replace("CppExtension(", "CUDAExtension(")
        .replace("CppExtension\n", "CUDAExtension\n")
        .replace('["src/pack/axpy.cc"]', '["src/pack/empty.cu"], sources=["src/pack/empty.cu"]')
        .replace(', flags=["-O0"]', "")
    )
    (project / "src" / "pack" / "empty.cu").write_text("// nothing\n")
    (project / "pyproject.toml").write_text(_SETUPTOOLS_PROJECT)
    nvcc = tmp_path / "nvcc"
    nvcc.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo test && exit 0\n'
        'for last; do :; done\necho built > "$last"\n'
    )
    nvcc.chmod(0o755)
    environment = {**_environment(tmp_path), "CUDACXX": str(nvcc), "CXX": str(nvcc)}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "bdist_wheel"],
        cwd=project,
        env=environment,
        check=True,
        capture_output=True,
    )
    (wheel,) = (project / "dist").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {"pack/axpy.so", "pack/axpy.cuda.so"} <= set(names)


@needs_hatchling
def test_a_wrong_key_of_a_hatchling_table_names_its_neighbours(tmp_path):
    from gradion.extension.packaging.hatchling_hook import GradionBuildHook

    table = {"name": "pack.axpy", "source": ["a.cc"]}
    hook = GradionBuildHook(
        str(tmp_path), {"extensions": [table]}, None, None, str(tmp_path), "wheel"
    )
    with pytest.raises(InputError, match="unknown key 'source'; did you mean 'sources'"):
        hook.initialize("standard", {"force_include": {}})


@needs_hatchling
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "has no extensions"),
        ({"extensions": [{"sources": ["a.cc"]}]}, "an extension has no name"),
        ({"extensions": [{"name": "a.b", "sources": "a.cc"}]}, "sources is 'a.cc'; write a list"),
    ],
)
def test_a_hatchling_table_that_is_wrong_says_how_to_write_it(tmp_path, config, message):
    from gradion.extension.packaging.hatchling_hook import GradionBuildHook

    hook = GradionBuildHook(str(tmp_path), config, None, None, str(tmp_path), "wheel")
    with pytest.raises(InputError, match=message):
        hook.initialize("standard", {"force_include": {}})


@needs_hatchling
def test_a_failed_hatchling_build_leaves_no_folder(tmp_path, answer, own_cache, monkeypatch):
    from gradion.extension.packaging import hatchling_hook

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(hatchling_hook.tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(
        native_extension, "compile_library", lambda *_, **__: (_ for _ in ()).throw(OSError)
    )
    table = {"name": "pack.axpy", "sources": [str(answer(1))]}
    hook = hatchling_hook.GradionBuildHook(
        str(tmp_path), {"extensions": [table]}, None, None, str(tmp_path), "wheel"
    )
    with pytest.raises(OSError):  # noqa: PT011  # that of the test
        hook.initialize("standard", {"force_include": {}})
    assert list(temporary.iterdir()) == []
