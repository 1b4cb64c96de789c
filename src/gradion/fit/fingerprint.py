"""What a fit depends on, as short text by section: equal fingerprints give equal fits."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradion.fit.optimisers import AbstractOptimiser
from gradion.fit.problem import Problem
from gradion.module import Module
from gradion.module.structure import structure_of

__all__ = ["canonical_text", "fingerprint", "first_difference"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def fingerprint(
    problem: Problem, optimiser: AbstractOptimiser[Any], rule: object
) -> dict[str, str]:
    """Sections by name; parameters are told in full, so that a difference can be shown."""
    from gradion import __version__  # the root package imports the layers, not the other way

    sections = {"gradion version": __version__}
    for coordinate in problem.coordinates:
        sections[f"parameter {coordinate.label!r}"] = (
            f"start {coordinate.start!r} {coordinate.unit}, bounds {coordinate.bounds}, "
            f"prior {coordinate.prior}"
        )
    held = ", ".join(coordinate.label for coordinate in problem.held)
    sections["held parameters"] = held or "none"
    for dataset in problem.datasets:
        digest = hashlib.sha256()
        leaves, tree = jax.tree_util.tree_flatten(dataset.inputs)
        for array in (dataset.measured, np.asarray(dataset.weights), *leaves):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        sections[f"data set {dataset.name!r}"] = (
            f"{dataset.role.value}, sigma {dataset.sigma!r} {dataset.unit}, "
            f"{_address_free(str(tree))}, values {digest.hexdigest()[:16]}"
        )
        sections[f"observable of {dataset.name!r}"] = canonical_text(dataset.observable)
    sections["module"] = canonical_text(problem.module)
    sections["optimiser"] = canonical_text(optimiser)
    sections["identifiability rule"] = canonical_text(rule)
    return sections


def first_difference(old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    """What differs first between two fingerprints, in words; None if nothing does."""
    for name in (*new, *old):
        if name not in old:
            return f"{name} was not part of it"
        if name not in new:
            return f"{name} is missing now"
        if old[name] != new[name]:
            return f"{name} was {old[name]!r}, is {new[name]!r}"
    return None


def canonical_text(value: Any) -> str:
    """Text that is the same in every process for equal values.

    Arrays and Modules become digests; sets are sorted and addresses left out, which differ
    between processes.
    """
    if isinstance(value, Module):
        digest = hashlib.sha256(_structure_text(value).encode())
        for leaf in jax.tree_util.tree_leaves(value):
            digest.update(canonical_text(leaf).encode())
        return f"{type(value).__name__} {digest.hexdigest()[:16]}"
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return f"key {jax.random.key_data(value).tolist()}"
    if isinstance(value, (np.ndarray, jax.Array)):
        array = np.asarray(value)
        digest = hashlib.sha256(array.tobytes())
        return f"array {array.dtype.str}{array.shape} {digest.hexdigest()[:16]}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [f"{f.name}={canonical_text(getattr(value, f.name))}" for f in _shown(value)]
        return f"{type(value).__qualname__}({', '.join(parts)})"
    if isinstance(value, functools.partial):
        return canonical_text((value.func, value.args, value.keywords))
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Mapping):
        items = sorted(f"{canonical_text(k)}: {canonical_text(v)}" for k, v in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(canonical_text(item) for item in value) + ")"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(canonical_text(item) for item in value)) + "}"
    return _address_free(repr(value))


def _structure_text(module: Module) -> str:
    structure = structure_of(module)
    statics = [canonical_text(attributes) for attributes in structure.statics]
    classes = [f"{spec.cls.__module__}.{spec.cls.__qualname__}" for spec in structure.specs]
    return canonical_text((classes, statics, structure.leaf_names))


def _shown(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(value) if field.compare)


def _address_free(text: str) -> str:
    return _ADDRESS.sub("", text)
