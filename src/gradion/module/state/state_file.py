"""The state of a Module in a safetensors file, with what is known about each Parameter."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import jax
import numpy as np

from gradion.foundation.atomic_file import write_atomically
from gradion.foundation.errors import InputError
from gradion.module.meta import ParameterMeta
from gradion.module.parameter import Parameter
from gradion.module.prior import AbstractPrior, LogNormalPrior, NormalPrior
from gradion.module.state.state_dict import (
    EXTRA_STATE,
    LoadResult,
    StateDict,
    StateDictError,
    load_state_dict,
    state_dict,
)
from gradion.module.state.state_packing import Packer, Unpacker
from gradion.module.traversal import join_name

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["load_state", "save_state"]

_FORMAT = "gradion-state"
_VERSION = "2"
# Version 1 had no metadata of Modules, no extra state, no random keys, no priors of a user.
_READABLE = ("1", "2")
_PRIORS: dict[str, type[NormalPrior | LogNormalPrior]] = {
    "normal": NormalPrior,
    "log_normal": LogNormalPrior,
}


def save_state(module: Module, path: str | os.PathLike[str]) -> None:
    """Write the state of a tree of Modules, as `state_dict` gives it, to a safetensors file.

    Unit, bounds, prior, source and trainability, versions and extra state go into the file's
    header as JSON, arrays within extra state become tensors; a shared Parameter is written
    once. Nothing is pickled. The file appears whole or not at all: it is written under a
    temporary name, flushed to disk and renamed.

    A prior of a class of the user's is held if it is a dataclass with numbers and text in its
    fields. Raises InputError, naming the entry, for another prior, for a Parameter that is not
    initialised, for traced values, and for extra state that is more than arrays, numbers, text,
    None, and lists, tuples and dicts of them.
    """
    state = StateDict()
    state_dict(module, state, "", keep_vars=False)
    blank = [name for name, value in state.items() if isinstance(value, Parameter)]
    if blank:
        raise InputError(
            f"{', '.join(blank)} not initialised yet: there is no value to save",
            mend="call the Module once before",
        )
    shared = _shared_names(module, state)
    packer = Packer()
    # Extra state is packed even if it is an array: it comes back as the kind that it was.
    plain = {n for n in state if isinstance(state[n], jax.Array) and not _is_extra_state(n)}
    for name in sorted(plain - shared.keys()):
        packer.add(name, state[name])
    packed = {name: packer.pack(name, state[name]) for name in state if name not in plain}
    described = {}
    modules = {}
    for at, known in state._metadata.items():
        for own_name, meta in known.get("parameters", {}).items():
            name = join_name(at, own_name)
            if name in state and name not in shared:
                described[name] = _meta_to_json(name, meta)
        rest = {key: value for key, value in known.items() if key != "parameters"}
        modules[at] = packer.pack(join_name(at, "_metadata"), rest)
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "parameters": json.dumps(described, allow_nan=False),
        "shared": json.dumps(shared),
        "modules": json.dumps(modules, allow_nan=False),
        "values": json.dumps(packed, allow_nan=False),
        "forms": json.dumps(packer.forms),
        "order": json.dumps(list(state)),
    }
    from safetensors.numpy import save  # few programs save: not at import

    write_atomically(Path(path), save(packer.tensors, metadata=header))


def load_state(module: Module, path: str | os.PathLike[str], *, strict: bool = True) -> LoadResult:
    """Set a tree of Modules from a file of `save_state`, in place, as `load_state_dict` does.

    A Parameter takes bounds, prior, source and trainability from the file but keeps its own
    unit: values and descriptions are converted. A prior of a class of the user's is made by
    that class, which some Parameter of `module` must have a prior of: a file brings no code.
    Raises InputError, in one line with the path, for a file that is missing, damaged or not
    ours, and for what `load_state_dict` rejects (a StateDictError); the module is unchanged
    then.
    """
    state = _read(Path(path), _prior_classes(module))
    try:
        return load_state_dict(module, state, strict=strict, with_trainability=True)
    except StateDictError as error:
        raise StateDictError(str(error), where=str(path)) from None


def _is_extra_state(name: str) -> bool:
    return name.rpartition(".")[2] == EXTRA_STATE


def _shared_names(module: Module, state: Mapping[str, Any]) -> dict[str, str]:
    """The further names of shared Parameters, with the first name of each."""
    first: dict[int, str] = {}
    shared = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(parameter), name)
        # A hook may have changed one entry of the state, but not the other.
        if other != name and name in state and state[name] is state.get(other):
            shared[name] = other
    return shared


def _read(path: Path, prior_classes: Mapping[str, type[AbstractPrior]]) -> StateDict:
    """The state in a file, a shared Parameter under each of its names."""
    from safetensors import SafetensorError, safe_open  # as in save_state

    where = str(path)
    if not path.is_file():
        raise InputError("no such file", where=where)
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise InputError("is no state of a gradion Module", where=where)
            if header.get("version") not in _READABLE:
                raise InputError(
                    f"has version {header.get('version')}, expected one of {', '.join(_READABLE)}",
                    where=where,
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read: {error}", where=where) from None
    try:
        return _unpacked(header, tensors, prior_classes)
    except _UnknownPriorError as error:
        raise InputError(error.what, where=where, mend=error.mend) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # json's own error is a ValueError, and so is InputError for a bad unit or bounds.
        raise InputError(
            f"has a damaged header: {type(error).__name__}: {error}", where=where
        ) from None


def _unpacked(
    header: Mapping[str, str],
    tensors: dict[str, np.ndarray],
    prior_classes: Mapping[str, type[AbstractPrior]],
) -> StateDict:
    described = json.loads(header["parameters"])
    metas = {name: _meta_from_json(name, described[name], prior_classes) for name in described}
    shared = json.loads(header["shared"])
    for name, first in shared.items():
        metas[name] = metas[first]
    state = StateDict()
    if header["version"] == "1":
        state.update(tensors)
        state.update({name: tensors[first] for name, first in shared.items()})
    else:
        unpacker = Unpacker(tensors, json.loads(header["forms"]))
        values = json.loads(header["values"])
        for name in json.loads(header["order"]):
            if name in values:
                state[name] = unpacker.unpack(values[name])
            else:
                state[name] = unpacker.array(shared.get(name, name))
        for at, known in json.loads(header["modules"]).items():
            state._metadata[at] = unpacker.unpack(known)
    for name, meta in metas.items():
        at, _, own_name = name.rpartition(".")
        state._metadata.setdefault(at, {}).setdefault("parameters", {})[own_name] = meta
    return state


def _meta_to_json(name: str, meta: ParameterMeta) -> dict[str, Any]:
    described: dict[str, Any] = {
        "unit": meta.unit,
        "source": meta.source,
        "trainable": meta.trainable,
        "bounds": None,
        "prior": None,
    }
    if meta.bounds is not None:
        # JSON has no infinity: an open side is null.
        described["bounds"] = [None if math.isinf(side) else side for side in meta.bounds]
    if meta.prior is not None:
        described["prior"] = _prior_to_json(name, meta.prior)
    return described


def _prior_to_json(name: str, prior: AbstractPrior) -> dict[str, Any]:
    for kind, cls in _PRIORS.items():
        if isinstance(prior, cls):
            return {"kind": kind, **dataclasses.asdict(prior)}
    fields: dict[str, Any] = {}
    if dataclasses.is_dataclass(prior):
        fields = {field.name: getattr(prior, field.name) for field in dataclasses.fields(prior)}
    if not fields or any(type(value) not in (bool, int, float, str) for value in fields.values()):
        raise InputError(
            f"{name} has a prior of class {type(prior).__name__}, which a state file does not hold",
            mend="expected a dataclass with numbers and text in its fields",
        )
    packer = Packer()  # for infinities, which JSON does not have
    packed = {key: packer.pack(key, value) for key, value in fields.items()}
    return {"kind": "class", "class": _class_name(type(prior)), "fields": packed}


def _class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _prior_classes(module: Module) -> dict[str, type[AbstractPrior]]:
    """Classes of the priors that a tree of Modules has, by name."""
    priors = [parameter.prior for parameter in module.parameters()]
    return {_class_name(type(prior)): type(prior) for prior in priors if prior is not None}


@final
class _UnknownPriorError(InputError):
    """A file names a class of priors that nothing in the Module has."""


def _meta_from_json(
    name: str, described: dict[str, Any], prior_classes: Mapping[str, type[AbstractPrior]]
) -> ParameterMeta:
    prior = described["prior"]
    if prior is not None:
        prior = _prior_from_json(name, dict(prior), prior_classes)
    return ParameterMeta(
        unit=described["unit"],
        bounds=described["bounds"],
        prior=prior,
        source=described["source"],
        trainable=described["trainable"],
    )


def _prior_from_json(
    name: str, described: dict[str, Any], prior_classes: Mapping[str, type[AbstractPrior]]
) -> AbstractPrior:
    kind = described.pop("kind")
    if kind in _PRIORS:
        return _PRIORS[kind](**described)
    if kind != "class":
        raise ValueError(f"unknown kind of prior {kind!r}")
    cls = prior_classes.get(described["class"])
    if cls is None:
        raise _UnknownPriorError(
            f"{name} has a prior of class {described['class']}, which the Module knows nothing of",
            mend="give one of its Parameters a prior of that class before loading",
        )
    unpacker = Unpacker({}, {})
    fields = {key: unpacker.unpack(value) for key, value in described["fields"].items()}
    made: Any = cls  # a dataclass, as save_state saw to
    return made(**fields)
