"""The table of docs/reference/module-conformance.md against torch's names and gradion's."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import module_cases
import pytest

import gradion
from gradion.module import Module

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reference" / "module-conformance.md").read_text(encoding="utf-8")
STORED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "torch_2_13.json").read_text(encoding="utf-8")
)
NAMES = {name: kind for kind, names in STORED["names"].items() for name in names}
# Where the page says that things are.
PLACES = {
    "functions": "gradion.module.hooks.global_hooks",
    "parametrize": "gradion.module.parametrizations",
    "containers": "gradion.module.containers",
}
# What torch calls otherwise, as the page says.
CLASSES = {
    "Parameter": gradion.module.Parameter,
    "Buffer": gradion.module.Buffer,
    "UninitializedParameter": gradion.module.Parameter.uninitialized,
    "LazyModuleMixin": importlib.import_module("gradion.module.lazy").LazyModule,
    "RemovableHandle": gradion.module.RemovableHandle,
}


class Row(NamedTuple):
    status: str
    text: str


ROWS = {
    name: Row(status, text)
    for name, status, text in re.findall(
        r"^\| `([\w.]+)` \| (\w+) \| (.*?) ?\|$", PAGE, flags=re.MULTILINE
    )
}


def _ours(name: str) -> Any:
    """What gradion has under torch's name, or None."""
    kind = NAMES[name]
    if kind == "classes":
        return CLASSES.get(name)
    thing: Any = Module()
    if kind != "Module":
        thing = importlib.import_module(PLACES[kind])
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing


def _there() -> list[str]:
    return [name for name, row in ROWS.items() if row.status != "not"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_torch_has_a_row(name: str) -> None:
    assert name in ROWS


def test_every_row_is_a_name_of_torch() -> None:
    assert sorted(set(ROWS) - set(NAMES)) == []


def test_no_name_has_two_rows() -> None:
    first_cells = re.findall(r"^\| `([\w.]+)` \| (?:done|different|not) \|", PAGE, re.MULTILINE)
    assert len(first_cells) == len(set(first_cells))


def test_status_is_one_of_three() -> None:
    assert {row.status for row in ROWS.values()} == {"done", "different", "not"}


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.status != "done"])
def test_what_is_not_done_has_a_reason(name: str) -> None:
    assert len(ROWS[name].text.split()) >= 3


@pytest.mark.parametrize("name", _there())
def test_what_is_there_is_there(name: str) -> None:
    assert _ours(name) is not None


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.status == "not"])
def test_what_is_not_there_is_not(name: str) -> None:
    # A row that has gone stale hides what there is.
    assert _ours(name) is None


@pytest.mark.parametrize("name", [n for n in _there() if n in STORED["signatures"]])
def test_arguments_are_those_of_torch(name: str) -> None:
    ours = inspect.signature(_ours(name)).parameters
    for text in STORED["signatures"][name]:
        argument, _, default = text.partition("=")
        if argument.startswith("*") or f"`{argument}`" in ROWS[name].text:
            continue
        assert argument in ours, f"{name} has no argument {argument}"
        if ROWS[name].status == "done":
            found = ours[argument].default
            assert default == ("" if found is inspect.Parameter.empty else repr(found))


def test_number_of_scripts_is_the_one_on_the_page() -> None:
    assert f"{len(module_cases.CASES)} scripts" in PAGE


@pytest.mark.parametrize(
    "name",
    ["describe", "select", "parameter_values", "set_parameters", "with_parameters"],
)
def test_what_physics_adds_is_there(name: str) -> None:
    assert f"| `{name}(" in PAGE
    assert callable(getattr(Module, name))


@pytest.mark.parametrize(
    "name", ["jit", "grad", "value_and_grad", "jvp", "vmap", "scan", "checkpoint", "backward"]
)
def test_transforms_of_the_page_are_there(name: str) -> None:
    assert f"`{name}`" in PAGE or f"`gradion.{name}" in PAGE
    assert callable(getattr(gradion, name))
