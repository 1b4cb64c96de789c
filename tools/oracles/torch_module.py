"""Write what torch does in the scripts of the Module's conformance tests, as an oracle for ours.

Run with a Python that has torch: ``python tools/oracles/torch_module.py OUTPUT.json``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

__all__ = ["SCRIPTS", "as_text", "main", "oracle_values", "public_names", "signatures"]

SCRIPTS = Path(__file__).resolve().parents[2] / "tests" / "conformance" / "module"
# Names with an underscore that users meet or override.
SPECIAL_NAMES = (
    *("__call__", "__setattr__", "__getattr__", "__delattr__", "__dir__", "__repr__"),
    *("__getstate__", "__setstate__", "_version", "_get_name"),
    *("_load_from_state_dict", "_save_to_state_dict"),
)
CLASSES = ("Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter")
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")


def oracle_values(date: str) -> dict[str, Any]:
    """Return torch's outcome of every script, and the names that its Module has."""
    # Not at the top: this file is also imported where torch is not installed.
    import torch

    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    cases = importlib.import_module("module_cases")
    library = importlib.import_module("module_cases.torch_library").library()
    with warnings.catch_warnings():
        # Some scripts do what torch warns of; the warning is no part of an outcome.
        warnings.simplefilter("ignore")
        outcomes = {name: cases.run(name, library) for name in cases.CASES}
    broken = [f"{name}: {outcome}" for name, outcome in outcomes.items() if _is_broken(outcome)]
    if broken:
        raise RuntimeError("scripts that do not run to their end on torch: " + "; ".join(broken))
    return {
        "program": "torch",
        "version": torch.__version__.partition("+")[0],
        "command": "python tools/oracles/torch_module.py OUTPUT.json",
        "date": date,
        "names": public_names(),
        "signatures": signatures(),
        "outcomes": outcomes,
    }


def public_names() -> dict[str, list[str]]:
    """Public names of torch's Module and of what stands around it, by kind."""
    from torch import nn
    from torch.nn.modules import module
    from torch.nn.utils import parametrize

    own = [
        name
        for name, thing in vars(parametrize).items()
        if name[0] != "_" and getattr(thing, "__module__", "") == parametrize.__name__
    ]
    methods = [
        f"{container}.{name}"
        for container in CONTAINERS
        for name in vars(getattr(nn, container))
        if name[0] != "_"
    ]
    public = [name for name in dir(nn.Module) if name[0] != "_"]
    return {
        "Module": [*public, "training", *SPECIAL_NAMES],
        "functions": [name for name in module.__all__ if name != "Module"],
        "parametrize": own,
        "containers": [*CONTAINERS, *methods],
        "classes": [*CLASSES, "LazyModuleMixin", "RemovableHandle"],
    }


def signatures() -> dict[str, list[str]]:
    """Arguments of the public methods and functions, as `name` or `name=default`."""
    from torch import nn
    from torch.nn.modules import module
    from torch.nn.utils import parametrize

    found = {}
    for kind, names in public_names().items():
        owners = {"Module": nn.Module, "functions": module, "parametrize": parametrize}
        for name in names:
            owner, _, method = name.rpartition(".")
            thing = getattr(getattr(nn, owner) if owner else owners.get(kind), method, None)
            if name[0] != "_" and inspect.isfunction(thing) and thing.__name__ == method:
                found[name] = _arguments(thing)
    return found


def _arguments(function: Any) -> list[str]:
    listed = []
    for argument in inspect.signature(function).parameters.values():
        text = argument.name
        if argument.kind is inspect.Parameter.VAR_POSITIONAL:
            text = f"*{text}"
        elif argument.kind is inspect.Parameter.VAR_KEYWORD:
            text = f"**{text}"
        elif argument.default is not inspect.Parameter.empty:
            text = f"{text}={argument.default!r}"
        if text != "self":
            listed.append(text)
    return listed


def as_text(values: dict[str, Any]) -> str:
    """JSON text with one line for each outcome, so that a change shows as one."""
    head = {key: value for key, value in values.items() if key != "outcomes"}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    outcomes = [f"  {json.dumps(key)}: {json.dumps(it)}" for key, it in values["outcomes"].items()]
    lines.append(' "outcomes": {\n' + ",\n".join(outcomes) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _is_broken(outcome: Any) -> bool:
    # Only an error that a script lets out has its text recorded.
    return isinstance(outcome, dict) and set(outcome) == {"raises", "text"}


def main() -> None:
    """Write the file named on the command line."""
    parser = argparse.ArgumentParser(description="Write torch's outcomes of the Module scripts.")
    parser.add_argument("output", type=Path)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    parser.add_argument("--date", default=today, help="date to store, YYYY-MM-DD; default today")
    options = parser.parse_args()
    options.output.write_text(as_text(oracle_values(options.date)), encoding="utf-8")


if __name__ == "__main__":
    main()
