"""Every kernel of gradion: the layout of its folder, and its native code against its reference."""

from __future__ import annotations

import importlib

import pytest

from gradion.extension.declaration import Kind
from gradion.extension.kernel import Kernel, find_kernels

KERNELS = find_kernels()

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)


def test_its_folder_has_what_belongs_there(kernel):
    folder = kernel.source.parent
    assert {"__init__.py", "reference.py", f"{folder.name}.cc"} <= {
        p.name for p in folder.iterdir()
    }
    package = f"gradion.{'.'.join(kernel.name.split('.')[:-1])}.kernels.{folder.name}"
    assert importlib.import_module(package).KERNEL is kernel
    assert importlib.import_module(f"{package}.reference").reference is not None


def test_native_agrees_with_the_reference(kernel: Kernel):
    report = kernel.check(verbose=False)
    report.raise_failures()
    made = {row.check for row in report.rows if row.passed}
    assert {"value", "jvp", "vjp", "adjoint", "layout", "value twice", "value, threads"} <= made
    assert any("= 0" in row.case and row.passed for row in report.rows), "empty input"


def test_it_runs_on_its_native_code(kernel: Kernel):
    targets = kernel.operator.declaration.targets
    assert all(targets[kind] for kind in (Kind.VALUE, Kind.PUSH, Kind.PULL))
