"""The state of a Module in a safetensors file, with what is known about each Parameter."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError
from gradion.foundation.units import conversion_factor
from gradion.module.editing import LoadResult, load_state_dict, state_dict
from gradion.module.meta import ParameterMeta
from gradion.module.prior import AbstractPrior, LogNormalPrior, NormalPrior
from gradion.module.structure import structure_of

if TYPE_CHECKING:
    from gradion.module.module import Module

__all__ = ["load_state", "save_state"]

_FORMAT = "gradion-state"
_VERSION = "1"
_PRIORS: dict[str, type[NormalPrior | LogNormalPrior]] = {
    "normal": NormalPrior,
    "log_normal": LogNormalPrior,
}


def save_state(module: Module, path: str | os.PathLike[str]) -> None:
    """Write Parameters and persistent buffers of a tree of Modules to a safetensors file.

    Unit, bounds, prior, source and trainability go into the file's header as JSON; a shared
    Parameter is written once. The file appears whole or not at all: it is written under a
    temporary name, flushed to disk and renamed. Raises InputError, naming the entry, for a
    prior or an array (traced values, random keys) that a file cannot hold.
    """
    structure = structure_of(module)
    canonical = {
        name: structure.leaf_names[index] for name, index in structure.parameter_index.items()
    }
    arrays = {
        name: _to_numpy(name, array)
        for name, array in state_dict(module, "").items()
        if canonical.get(name, name) == name
    }
    described = {
        structure.leaf_names[index]: _meta_to_json(structure.leaf_names[index], meta)
        for index, meta in enumerate(structure.metas)
    }
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "parameters": json.dumps(described, allow_nan=False),
        "shared": json.dumps({n: first for n, first in canonical.items() if n != first}),
    }
    from safetensors.numpy import save  # few programs save: not at import

    _write_atomically(Path(path), save(arrays, metadata=header))


def load_state(module: Module, path: str | os.PathLike[str], *, strict: bool = True) -> LoadResult:
    """Set a tree of Modules from a file of `save_state`, values and descriptions, in place.

    A Parameter takes bounds, prior, source and trainability from the file but keeps its own
    unit: values and descriptions are converted. `strict` is as in `Module.load_state_dict`.
    Raises InputError, in one line with the path, for a file that is missing, damaged or not
    ours, for units of another dimension, and for what `load_state_dict` rejects; the module is
    unchanged then.
    """
    where = str(path)
    arrays, metas = _read(Path(path))
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if name not in metas or metas[name].unit == parameter.unit:
            continue
        try:
            factor = conversion_factor(metas[name].unit, parameter.unit)
        except InputError as error:
            raise InputError(f"{name}: {error.what}", where=where, mend=error.mend) from None
        arrays[name] = arrays[name] * factor
        metas[name] = metas[name].in_unit(parameter.unit, factor)
    try:
        return load_state_dict(module, arrays, strict=strict, metas=metas)
    except InputError as error:
        raise InputError(str(error), where=where) from None


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, ParameterMeta]]:
    """Arrays and descriptions by name, a shared Parameter under each of its names."""
    from safetensors import SafetensorError, safe_open  # as in save_state

    where = str(path)
    if not path.is_file():
        raise InputError("no such file", where=where)
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise InputError("is no state of a gradion Module", where=where)
            if header.get("version") != _VERSION:
                raise InputError(
                    f"has version {header.get('version')}, expected {_VERSION}", where=where
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read: {error}", where=where) from None
    try:
        described = json.loads(header["parameters"])
        metas = {name: _meta_from_json(described[name]) for name in described}
        for name, first in json.loads(header["shared"]).items():
            arrays[name], metas[name] = arrays[first], metas[first]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # json's own error is a ValueError, and so is InputError for a bad unit or bounds.
        raise InputError(
            f"has a damaged header: {type(error).__name__}: {error}", where=where
        ) from None
    return arrays, metas


def _to_numpy(name: str, array: Any) -> np.ndarray:
    if isinstance(array, jax.core.Tracer):
        raise InputError(f"{name} is being traced and has no values", mend="save outside of jit")
    if not isinstance(array, jax.Array) or jnp.issubdtype(array.dtype, jax.dtypes.extended):
        raise InputError(
            f"{name} is a {getattr(array, 'dtype', type(array).__name__)}, which a state file "
            "does not hold",
            mend="register it with persistent=False",
        )
    return np.ascontiguousarray(array).reshape(array.shape)


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
    raise InputError(
        f"{name} has a prior of class {type(prior).__name__}, which a state file does not hold",
        mend=f"use one of {', '.join(cls.__name__ for cls in _PRIORS.values())}",
    )


def _meta_from_json(described: dict[str, Any]) -> ParameterMeta:
    prior = described["prior"]
    if prior is not None:
        prior = dict(prior)
        prior = _PRIORS[prior.pop("kind")](**prior)
    return ParameterMeta(
        unit=described["unit"],
        bounds=described["bounds"],
        prior=prior,
        source=described["source"],
        trainable=described["trainable"],
    )


def _write_atomically(path: Path, content: bytes) -> None:
    """Put a file in place whole: a reader, or a kill, never sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; what is saved gets the rights any new file would.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the new name itself
    finally:
        os.close(directory)


def _umask() -> int:
    # The only way to read it is to set it.
    present = os.umask(0)
    os.umask(present)
    return present
