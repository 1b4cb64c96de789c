"""`gradion info`."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
from typing import Annotated, Any

import typer

from gradion.foundation.program_cache import cache_size, program_folder

__all__ = ["info"]

_PACKAGES = (
    "jax",
    "jaxlib",
    "numpy",
    "equinox",
    "optimistix",
    "optax",
    "lineax",
    "xarray",
    "pydantic",
    "safetensors",
    "matplotlib",
    "bpx",
)


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print versions, devices, compiler and caches: what a report of a problem should have.

    Examples:

        gradion info

        gradion info --json
    """
    found = _collect()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for key, value in found.items():
        table.add_row(key.replace("_", " "), _text(value))
    Console(soft_wrap=True).print(table)


def _collect() -> dict[str, Any]:
    import jax

    import gradion
    from gradion.cell.parameters import available_parameter_sets

    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    folder = program_folder()
    return {
        "gradion": gradion.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
        "x64": bool(jax.config.read("jax_enable_x64")),
        "cxx_compiler": compiler,
        "parameter_sets": list(available_parameter_sets()),
        "program_cache": None if folder is None else str(folder),
        "program_cache_mb": round(cache_size(folder) / 1e6, 1),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "absent" if value is None else str(value)
